/** The scope that pulling from a repository takes; asked for alone, since some servers read only the first one. */
export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

/**
 * The scope of a challenge that may be asked for instead: of all that it names, the one of our own repository that
 * contains pull. A challenge to `/v2/`, or of a hostile registry, may name others (GHCR's names `user/image`).
 */
export function scopeFor(repository: string, challenged: string | undefined): string | undefined {
  return challenged?.split(' ').find((scope) => {
    // A resource's name may itself contain colons: those of a port.
    const type = scope.slice(0, scope.indexOf(':'));
    const actions = scope.slice(scope.lastIndexOf(':') + 1).split(',');
    const name = scope.slice(type.length + 1, scope.lastIndexOf(':'));
    return /^repository(\([a-z0-9]+\))?$/.test(type) && name === repository && actions.includes('pull');
  });
}
