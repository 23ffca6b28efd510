/** @throws where something has become a property of all objects. */
export function refusePollution(): void {
  const names = Reflect.ownKeys(Object.prototype).filter((key) => !KNOWN.has(key));
  if (names.length > 0) throw new Error(`all objects have the properties ${names.map(String).join(', ')}`);
}

const KNOWN: ReadonlySet<string | symbol> = new Set(Reflect.ownKeys(Object.prototype));
