import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api } from './api.ts';
import type { World } from './call.ts';
import { Faults } from './faults.ts';
import { BareGit } from './git.ts';
import { Json } from './json.ts';
import { settler } from './settle.ts';
import { serveGit, setUpHttp } from './smart-http.ts';
import { type ActorKind, type Settings, State, type Token } from './state.ts';

export interface TestForge {
  /** Of the API, without a slash at the end. */
  readonly url: string;
  /** For `git clone` and `git push`, without a token. */
  readonly gitUrl: string;
  /** The bare repository: a test may look at it and prepare it; call `refresh` after it changed refs. */
  readonly dir: string;
  readonly owner: string;
  readonly repo: string;
  readonly requests: { readonly method: string; readonly route: string; status: number }[];
  readonly faults: Faults;
  readonly settings: Settings;
  readonly state: State;
  readonly world: World;
  /** What was wrong with requests and answers; `stop` throws when there is any. */
  readonly violations: string[];
  readonly app: { readonly id: number; readonly installation: number; readonly privateKey: () => string };
  /** A token that works; for `user`, of whom (anna, who has write access). */
  tokenOf(kind: ActorKind, login?: string, permissions?: Token['permissions']): string;
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/** GitHub, as far as Sluice meets it, on a free port of 127.0.0.1. See `openapi.ts` for what it is held to. */
export async function startTestForge(
  o: { now?: () => Date; owner?: string; repo?: string } = {},
): Promise<TestForge> {
  const dir = join(mkdtempSync(join(tmpdir(), 'sluice-testforge-')), 'repository.git');
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', dir]);
  setUpHttp(dir);
  const owner = o.owner ?? 'example';
  const repo = o.repo ?? 'state';
  const state = new State({ owner, repo, clock: o.now ?? (() => new Date()) });
  for (const login of [owner, 'sluice[bot]', 'github-actions[bot]', 'anna']) state.actor(login);
  Object.assign(state.settings.access, { anna: 'write' });
  const git = new BareGit(dir);
  const faults = new Faults();
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      api.violations.push(`the test forge failed: ${String((error as Error).stack)}`);
      response.destroy();
    });
  });
  server.keepAliveTimeout = 0; // a test that computes for seconds must find its connections as it left them
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const base = { state, git, json: new Json(state, git, url) };
  const world: World = { ...base, settle: settler(base) };
  const keys = lazy(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
  const publicKey = (): string => keys().publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const api = new Api(world, faults, publicKey);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', url);
    // github.com serves it with `.git` and without, and actions/checkout takes the latter
    const below = [`/${owner}/${repo}.git/`, `/${owner}/${repo}/`].find((path) => pathname.startsWith(path));
    if (below === undefined) return api.serve(request, response);
    const user = await api.admitGit(request, response, pathname, search);
    if (user === undefined) return;
    const path = `/${pathname.slice(below.length)}`;
    const isProtected = state.settings.rules !== undefined;
    const query = search.slice(1);
    const status = await serveGit(request, response, { dir, path, query, user: user.login, isProtected });
    await world.settle(user); // before the answer ends: who pushed may read at once
    api.noteGit(request.method ?? 'GET', path, status);
    response.end();
  }

  return {
    ...{ url, gitUrl: `${url}/${owner}/${repo}.git`, dir, owner, repo, faults, state, world },
    ...{ requests: api.requests, settings: state.settings, violations: api.violations },
    app: {
      ...{ id: 1, installation: 77 },
      privateKey: () => keys().privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    },
    tokenOf: (kind, login, permissions) => api.mint(kind, login, permissions).token,
    refresh: () => world.settle(state.actor(owner)),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(join(dir, '..'), { recursive: true, force: true, maxRetries: 3 });
      if (api.violations.length > 0) throw new Error(`the test forge met:\n${api.violations.join('\n')}`);
    },
  };
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
