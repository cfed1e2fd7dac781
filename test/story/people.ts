import { caller, type Reply } from '../fixtures/testForge.ts';
import type { Issue } from '../testforge/state.ts';
import type { Setting } from './setting.ts';

/** What people do in a browser, which is the same API with their own token. */
export class People {
  readonly #setting: Setting;
  readonly #callers = new Map<string, ReturnType<typeof caller>>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  #as(login: string): ReturnType<typeof caller> {
    const { forge } = this.#setting;
    const known = this.#callers.get(login) ?? caller(forge, forge.tokenOf('user', login));
    this.#callers.set(login, known);
    return known;
  }

  /** Pull requests, the newest first. */
  open(): Issue[] {
    return this.#setting.forge.state.openPulls.toReversed();
  }

  async approve(login: string, number: number): Promise<number> {
    return (await this.#as(login)('POST', `pulls/${number}/reviews`, { event: 'APPROVE' })).status;
  }

  /** `merged`, or why not. */
  async merge(login: string, number: number): Promise<string> {
    const { status, body } = await this.#as(login)('PUT', `pulls/${number}/merge`, { merge_method: 'merge' });
    return status === 200 ? 'merged' : String(body.message);
  }

  async review(login: string, number: number | undefined): Promise<string> {
    await this.approve(login, number ?? 0);
    return this.merge(login, number ?? 0);
  }

  async say(login: string, number: number, body: string): Promise<void> {
    await this.#as(login)('POST', `issues/${number}/comments`, { body });
  }

  async close(login: string, number: number): Promise<void> {
    await this.#as(login)('PATCH', `pulls/${number}`, { state: 'closed' });
  }

  /** *Edit this file*, on a new branch, and a pull request of it. */
  async propose(
    login: string,
    branch: string,
    path: string,
    edit: (text: string) => string,
  ): Promise<number> {
    const before = await this.#setting.onMain(path);
    const after = edit(before);
    if (after === before) throw new Error(`${path} stays as it is`);
    const ask = async (method: string, route: string, body?: object): Promise<Reply['body']> => {
      const reply = await this.#as(login)(method, route, body);
      if (reply.status >= 300) throw new Error(`${method} ${route}: ${JSON.stringify(reply.body)}`);
      return reply.body;
    };
    const { object } = await ask('GET', 'git/ref/heads%2Fmain');
    const { tree: base } = await ask('GET', `git/commits/${object.sha}`);
    const tree = [{ path, mode: '100644', type: 'blob', content: after }];
    const { sha } = await ask('POST', 'git/trees', { base_tree: base.sha, tree });
    const message = `Edit ${path}`;
    const commit = await ask('POST', 'git/commits', { message, tree: sha, parents: [object.sha] });
    await ask('POST', 'git/refs', { ref: `refs/heads/${branch}`, sha: commit.sha });
    return (await ask('POST', 'pulls', { title: message, head: branch, base: 'main' })).number;
  }
}
