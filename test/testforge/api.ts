import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { appRoutes, checkJwt } from './app-routes.ts';
import { type Answer, type Call, Refusal, type Route, type Routes, type World } from './call.ts';
import { CHECK_ROUTES } from './check-routes.ts';
import type { Faults, PlannedFault } from './faults.ts';
import { GIT_ROUTES } from './git-routes.ts';
import { ISSUE_ROUTES } from './issue-routes.ts';
import { Limits } from './limits.ts';
import { mayWrite } from './merging.ts';
import { OpenApi, type Operation } from './openapi.ts';
import { page } from './paging.ts';
import { authorize, ordinary } from './permissions.ts';
import { PULL_ROUTES } from './pull-routes.ts';
import { REPO_ROUTES } from './repo-routes.ts';
import type { Actor, ActorKind, Token } from './state.ts';
import { WORKFLOW_ROUTES } from './workflow-routes.ts';

const HOUR = 3_600_000;
const LOGINS = { app: 'sluice[bot]', actions: 'github-actions[bot]', user: 'anna' } as const;
/** "Rate limits for the REST API": 5,000 an hour, 1,000 for GITHUB_TOKEN. */
const LIMITS = { app: 5000, user: 5000, actions: 1000 } as const;
const openApi = new OpenApi();

/** The REST API of one repository. */
export class Api {
  readonly requests: { method: string; route: string; status: number }[] = [];
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #faults: Faults;
  readonly #publicKey: () => string;
  readonly #limits: Limits;
  readonly #routes: Routes;

  constructor(world: World, faults: Faults, publicKey: () => string) {
    this.#world = world;
    this.#faults = faults;
    this.#publicKey = publicKey;
    this.#limits = new Limits(world.state);
    const mint = (permissions?: Token['permissions']): Token => this.mint('app', undefined, permissions);
    const of = [
      GIT_ROUTES,
      PULL_ROUTES,
      ISSUE_ROUTES,
      CHECK_ROUTES,
      REPO_ROUTES,
      WORKFLOW_ROUTES,
      appRoutes(this.#limits, mint),
    ];
    this.#routes = Object.assign({}, ...of);
  }

  mint(kind: ActorKind, login: string = LOGINS[kind], permissions?: Token['permissions']): Token {
    const { state } = this.#world;
    const prefix = { app: 'ghs', actions: 'ghs', user: 'ghp' }[kind];
    const token: Token = {
      ...{
        token: `${prefix}_${randomBytes(18).toString('hex')}`,
        actor: state.actor(login),
        limit: LIMITS[kind],
      },
      permissions: permissions ?? (kind === 'app' ? state.settings.appPermissions : ordinary(kind)),
      // "Generating an installation access token": an hour
      expiresAt: kind === 'app' ? state.clock().getTime() + HOUR : undefined,
      expired: false,
    };
    state.tokens.set(token.token, token);
    return token;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await read(request);
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const operation = openApi.find(method, url.pathname);
    if (!operation) {
      this.#violation(`${method} ${url.pathname}: no such route in the description`);
      return send(response, 404, { message: 'Not Found' }, {});
    }
    const note = { method, route: operation.route, status: 0 };
    this.requests.push(note);
    const fault = this.#faults.take(method, operation.route, operation.id);
    if (fault?.kind === 'delay') await sleep(fault.ms ?? 50);
    if (fault?.kind === 'drop') return void response.destroy();
    if (fault?.kind === '502') return this.#badGateway(response, note);
    if (fault?.kind === 'moved-head') await this.#moveHead(fault);
    if (fault?.kind === 'duplicate') await this.#answer(operation, request, url, bytes, undefined);
    const { answer, token } = await this.#answer(operation, request, url, bytes, fault);
    if (fault?.kind === 'drop-after') return void response.destroy();
    if (fault?.kind === '502-after') return this.#badGateway(response, note);
    note.status = answer.status;
    const headers = { ...(token ? this.#limits.headers(token) : {}), ...answer.headers };
    send(response, answer.status, answer.body, headers);
  }

  /** Who may use smart HTTP; `undefined`: it is answered already. Reading a public repository needs nobody. */
  async admitGit(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    search: string,
  ): Promise<Actor | undefined> {
    const method = request.method ?? 'GET';
    const { state } = this.#world;
    const fault = this.#faults.take(
      method,
      'git',
      path.endsWith('git-receive-pack') ? 'git/push' : 'git/fetch',
    );
    const token = this.#token(request);
    if (fault?.kind === 'delay') await sleep(fault.ms ?? 50);
    if (fault?.kind === 'moved-head') await this.#moveHead(fault);
    if (fault?.kind === 'expired-token' && token) token.expired = true;
    if (fault?.kind === 'drop') return void response.destroy();
    const writes = path.endsWith('git-receive-pack') || search.includes('git-receive-pack');
    const refuse = (status: number): undefined => {
      this.noteGit(method, path, status);
      const headers = status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
      response.writeHead(status, { ...headers, 'content-type': 'text/plain' }).end('refused\n');
    };
    if (fault?.kind === '502') return refuse(502);
    const usable = token && this.#isUsable(token);
    if (request.headers.authorization !== undefined && !usable) return refuse(401);
    if (!usable) return writes || state.settings.private ? refuse(401) : state.actor('anonymous');
    if (state.settings.private && token.permissions['contents'] === undefined) return refuse(404);
    const may = token.permissions['contents'] === 'write' && mayWrite(state, token.actor);
    return writes && !may ? refuse(403) : token.actor;
  }

  noteGit(method: string, path: string, status: number): void {
    this.requests.push({ method, route: `git ${path.replace(/^.*\.git\//, '/')}`, status });
  }

  async #answer(
    operation: Operation,
    request: IncomingMessage,
    url: URL,
    bytes: Buffer,
    fault: PlannedFault | undefined,
  ): Promise<{ answer: Answer; token: Token | undefined }> {
    const where = `${operation.method} ${url.pathname}`;
    const route = this.#routes[operation.id];
    if (!route) throw new Error(`${operation.id} is described and not there`);
    const body: unknown = bytes.length > 0 ? JSON.parse(bytes.toString('utf8')) : undefined;
    for (const wrong of openApi.wrongRequest(operation, url.searchParams, body)) {
      this.#violation(`${where}: request: ${wrong}`);
    }
    if (request.headers['user-agent'] === undefined) this.#violation(`${where}: no User-Agent`); // docs: refused by 403
    let token: Token | undefined;
    let answer: Answer;
    try {
      token = this.#authenticate(request, route, fault);
      this.#limits.count(token, operation.method, route.content === true);
      if (fault?.kind === 'primary-limit') {
        this.#limits.exhaust(token);
        this.#limits.count(token, operation.method, false);
      }
      if (fault?.kind === 'secondary-limit') this.#limits.secondary(fault.retryAfter);
      authorize(token, route, operation, this.#world);
      const call: Call = {
        ...this.#world,
        ...{ token, actor: token.actor, params: operation.params, query: url.searchParams },
        body: (body ?? {}) as Call['body'],
      };
      this.#checkRepository(call);
      answer = await page(await route.run(call), url, this.#world.json.url);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = error.answer;
    }
    for (const wrong of openApi.wrongResponse(operation, answer.status, answer.body)) {
      this.#violation(`${where}: answer: ${wrong}`);
    }
    return { answer: this.#conditional(operation, request, answer, token), token };
  }

  #conditional(
    { method }: Operation,
    request: IncomingMessage,
    answer: Answer,
    token: Token | undefined,
  ): Answer {
    if (method !== 'GET' || answer.status !== 200) return answer;
    const etag = `W/"${createHash('sha256').update(JSON.stringify(answer.body)).digest('hex')}"`;
    if (request.headers['if-none-match'] !== etag) return { ...answer, headers: { ...answer.headers, etag } };
    if (token) this.#limits.giveBack(token);
    return { status: 304, headers: { etag } };
  }

  #checkRepository({ state, params }: Call): void {
    const { owner, repo } = params;
    if (owner === undefined || repo === undefined) return;
    const same =
      owner.toLowerCase() === state.owner.toLowerCase() && repo.toLowerCase() === state.repo.toLowerCase();
    if (!same) throw new Refusal(404, 'Not Found');
  }

  #authenticate(request: IncomingMessage, route: Route, fault: PlannedFault | undefined): Token {
    const token = this.#token(request);
    const jwt = /^bearer (ey\S+\.\S+\.\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (
      jwt !== undefined &&
      route.needs.includes('jwt') &&
      checkJwt(jwt, this.#publicKey(), this.#world.state.clock())
    ) {
      const actor = this.#world.state.actor(LOGINS.app);
      return {
        token: 'jwt',
        actor,
        permissions: {},
        limit: LIMITS.app,
        expiresAt: undefined,
        expired: false,
      };
    }
    if (fault?.kind === 'expired-token' && token) token.expired = true;
    if (route.needs.includes('jwt')) throw new Refusal(401, 'A JSON web token could not be decoded');
    if (!token || !this.#isUsable(token)) throw new Refusal(401, 'Bad credentials');
    return token;
  }

  #token(request: IncomingMessage): Token | undefined {
    const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ');
    const basic = scheme.toLowerCase() === 'basic';
    const given = basic
      ? Buffer.from(value, 'base64')
          .toString('utf8')
          .replace(/^[^:]*:/, '')
      : value;
    return this.#world.state.tokens.get(given);
  }

  #isUsable({ expired, expiresAt }: Token): boolean {
    return !expired && (expiresAt === undefined || this.#world.state.clock().getTime() < expiresAt);
  }

  async #moveHead({ branch = 'main' }: PlannedFault): Promise<void> {
    const { git, state, settle } = this.#world;
    const ref = `refs/heads/${branch}`;
    const from = await git.ref(ref);
    if (from === undefined) return;
    const { tree } = await git.commit(from);
    const by = { name: 'Ben', email: 'ben@example.org', date: state.now() };
    const to = await git.writeCommit({
      tree,
      parents: [from],
      author: by,
      committer: by,
      message: 'By hand',
    });
    await git.setRef(ref, to, from);
    await settle(state.actor('ben'));
  }

  #badGateway(response: ServerResponse, note: { status: number }): void {
    note.status = 502;
    response
      .writeHead(502, { 'content-type': 'text/html' })
      .end('<html><title>502 Bad Gateway</title></html>');
  }

  #violation(what: string): void {
    this.violations.push(what);
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string>,
): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const type = text === '' ? {} : { 'content-type': 'application/json; charset=utf-8' };
  response
    .writeHead(status, { ...type, ...headers, 'x-github-request-id': randomBytes(4).toString('hex') })
    .end(text);
}
