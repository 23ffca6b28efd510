export async function benchCluster(_flags: object, _say: (line: string) => void): Promise<void> {
  throw new Error('todo');
}
