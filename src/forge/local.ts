import type { Act, Forge, Proposed } from './forge.ts';

/** A bare git repository as a forge: no account, no server. */
export interface LocalForge extends Forge {
  readonly dir: string;
  /** A pull request for a branch that a person pushed. */
  open(
    o: Act & { branch: string; title: string; body?: string; labels?: readonly string[] },
  ): Promise<Proposed>;
}

/** Creates the bare repository, or renews the rules of one; `from`: the repository whose main it starts with. */
export async function initLocalForge(dir: string, o: { from?: string } = {}): Promise<LocalForge> {
  throw new Error(`not yet: ${dir} ${o.from}`);
}

export async function openLocalForge(dir: string): Promise<LocalForge> {
  throw new Error(`not yet: ${dir}`);
}
