# By its tag here: a digest that nobody read from a registry would be an invention.
FROM node:26-trixie-slim AS build
WORKDIR /source
COPY package.json package-lock.json ./
COPY tools/node/package.json tools/node/
RUN npm ci --ignore-scripts
COPY src src
COPY tools tools
RUN npm run bundle && tools/image-root.sh "$(command -v node)" dist/samebytes.mjs /image

# Node.js with its libraries, the bundle, and nothing else.
FROM scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 8443 9090
ENTRYPOINT ["/usr/bin/node", "/app/samebytes.mjs"]
CMD ["serve"]
