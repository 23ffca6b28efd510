import { ChildProcess, type Exit } from '../child-process.ts';
import { findBinaries } from './binaries.ts';

/** The real kubectl, as an administrator unless told otherwise. */
export class Kubectl {
  readonly #kubeconfig: string;

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig;
  }

  /** Runs it and returns how it ended, well or badly. */
  async try(...args: string[]): Promise<Exit> {
    const command = findBinaries()?.programs.kubectl ?? 'kubectl';
    return new ChildProcess({ command, args, env: { KUBECONFIG: this.#kubeconfig, KUBE_EDITOR: 'true' } })
      .exited;
  }

  /** Runs it and returns what it printed. @throws where it fails. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${String(code)}: ${stderr}`);
    return stdout;
  }

  /** Applies objects. @throws where that fails. */
  async apply(file: string, ...args: string[]): Promise<string> {
    return this.run('apply', '-f', file, ...args);
  }
}
