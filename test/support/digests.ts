/** A valid sha256 digest made of one hexadecimal digit, so that tests can tell digests apart at a glance. */
export function digest(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}
