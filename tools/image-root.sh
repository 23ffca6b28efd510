#!/bin/sh
# image-root.sh NODE BUNDLE ROOT: puts Node.js, the libraries that it is linked to, and the bundle into an empty root
# directory. That is all the image holds: no shell, no package manager.
set -eu
node=$1 bundle=$2 root=$3

mkdir -p "$root/usr/bin" "$root/app"
cp -L "$node" "$root/usr/bin/node"
ldd "$node" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
cp "$bundle" "$root/app/samebytes.mjs"
if [ -e "$bundle.LEGAL.txt" ]; then cp "$bundle.LEGAL.txt" "$root/app/"; fi
