/** How much the cluster tests do: little in CI, everything in `npm run torture`. */
export function scaled(small: number, full: number): number {
  return process.env['SAMEBYTES_TEST_SCALE'] === 'full' ? full : small;
}
