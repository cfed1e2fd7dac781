import { Fault } from '../base/fault.ts';
import { type Git, gitFault, type Outcome, withLocks } from './git.ts';
import { gitTokenEnv } from './git-token.ts';
import type { GithubApi } from './github-api.ts';
import { findObject } from './object-reader.ts';
import { readRefs } from './refs.ts';

const MAIN = 'refs/remotes/origin/main';
const REFUSED = /Authentication failed|could not read Username|terminal prompts disabled|error: 40[13]/;

/** The clone beside the API: what git can say costs no request of the API's limit, and has no limit of its size. */
export class GithubClone {
  readonly git: Git;
  readonly #url: string;
  readonly #api: Pick<GithubApi, 'token' | 'renew'>;

  constructor(git: Git, url: string, api: Pick<GithubApi, 'token' | 'renew'>) {
    this.git = git;
    this.#url = url;
    this.#api = api;
  }

  /** Main as the forge has it now. */
  async main(): Promise<string> {
    await this.#fetch([`+refs/heads/main:${MAIN}`]);
    const tip = (await readRefs(this.git, [MAIN])).get(MAIN);
    if (tip) return tip;
    throw new Fault('NOT_FOUND', 'the repository has no main yet', { hint: 'Push the first commit to it.' });
  }

  /** The heads of these pull requests, with their history; kept by a ref, so that no clean-up of git takes them. */
  async heads(pulls: readonly { readonly number: number; readonly head: string }[]): Promise<void> {
    const lacking: (typeof pulls)[number][] = [];
    for (const pull of pulls) if (!(await this.has(pull.head))) lacking.push(pull);
    if (lacking.length === 0) return;
    await this.#fetch(lacking.map(({ number }) => `+refs/pull/${number}/head:refs/sluice/pull/${number}`));
    for (const { number, head } of lacking) {
      if (await this.has(head)) continue;
      throw new Fault('FORGE_CONFLICT', `#${number} changed while it was read`, { hint: 'Run it again.' });
    }
  }

  async has(commit: string): Promise<boolean> {
    return (await findObject(this.git, `${commit}^{commit}`)) !== undefined;
  }

  /** What the branches below a prefix point at now. */
  async branches(prefix: string): Promise<Map<string, string>> {
    const args = ['ls-remote', '--refs'];
    const pattern = `refs/heads/${prefix}*`;
    const outcome = await this.#remote((env) => this.git.attempt([...args, this.#url, pattern], { env }));
    if (outcome.status !== 0) throw this.#fault(args, outcome);
    const lines = outcome.stdout.toString('utf8').matchAll(/^([0-9a-f]+)\trefs\/heads\/(\S+)$/gm);
    return new Map([...lines].map(([, id = '', branch = '']) => [branch, id]));
  }

  /** False: the branch is no longer at `from` (undefined: it is there), and nothing was done. */
  async push(branch: string, from: string | undefined, to: string): Promise<boolean> {
    const ref = `refs/heads/${branch}`;
    const args = [
      'push',
      '--porcelain',
      '--no-verify',
      '--no-follow-tags',
      `--force-with-lease=${ref}:${from ?? ''}`,
    ];
    const outcome = await this.#remote((env) =>
      this.git.attempt([...args, this.#url, `+${to}:${ref}`], { env }),
    );
    if (outcome.status === 0) return true;
    const said = `${outcome.stdout.toString('utf8')}${outcome.stderr}`;
    if (/stale info|already exists|fetch first|cannot lock ref/.test(said)) return false;
    const rule = /^!.*\[remote rejected\] \(([^)]{1,200})\)/m.exec(said)?.[1];
    if (rule === undefined) throw this.#fault(args, outcome);
    throw new Fault('FORGE_REFUSED', `GitHub refuses the push to ${branch}: ${rule.replace(/[^ -~]/g, '')}`, {
      hint: 'Let the bot write branches below sluice/ (rulesets; contents: write of its token); sluice doctor says more.',
    });
  }

  async #fetch(refspecs: readonly string[]): Promise<void> {
    const args = [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-recurse-submodules',
      '--no-write-fetch-head',
      '--no-auto-gc',
    ];
    const outcome = await this.#remote((env) =>
      withLocks(this.git, [...args, this.#url, ...refspecs], { env }),
    );
    if (outcome.status !== 0) throw this.#fault(args, outcome);
  }

  /** Once more with another token, where this one may have ended in mid-run. */
  async #remote(run: (env: Record<string, string>) => Promise<Outcome>): Promise<Outcome> {
    const token = await this.#api.token();
    const outcome = await run(gitTokenEnv(this.#url, token));
    if (outcome.status === 0 || !REFUSED.test(outcome.stderr) || !this.#api.renew(token)) return outcome;
    return run(gitTokenEnv(this.#url, await this.#api.token()));
  }

  #fault(args: readonly string[], outcome: { readonly status: number; readonly stderr: string }): Fault {
    if (
      /Authentication failed|could not read Username|terminal prompts disabled|HTTP 40[13]/.test(
        outcome.stderr,
      )
    ) {
      return new Fault('FORGE_REFUSED', `git may not ${args[0]} at the repository on GitHub`, {
        hint: 'Set SLUICE_GITHUB_TOKEN, or use an ssh address as origin; sluice doctor says more.',
        at: this.git.dir,
      });
    }
    return gitFault(this.git.dir, args, outcome);
  }
}
