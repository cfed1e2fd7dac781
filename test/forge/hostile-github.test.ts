import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { faultLine } from '../../src/flows/main.ts';
import type { Draft, Forge } from '../../src/forge/forge.ts';
import { openGithubForge } from '../../src/forge/github.ts';
import { readTokens } from '../../src/forge/github-token.ts';
import { between, type Spoil } from '../fixtures/between.ts';
import { envOf, githubOf, NO_WAITS } from '../fixtures/githubForge.ts';
import { draftOf, LATER, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';
import type { TestForge } from '../testforge/server.ts';

const FIRST = { [PATH]: pins(), README: 'state\n' };
const NEXT = new Map([[PATH, pins({ 0: '1-3' })]]);

/** One open pull request of the bot's, and the bot again, with somebody between it and GitHub. */
async function begin(answerMs = 20_000) {
  const test = await testForge();
  await beginMain(test, FIRST);
  const { forge: bot, dir, token } = await githubOf(test, 'app');
  await bot.propose(await plan(bot), { now: NOW });
  const liar = await between(test);
  const tokens = await readTokens(envOf('app', token), `${test.owner}/${test.repo}`);
  const forge = openGithubForge({
    ...{ owner: test.owner, repo: test.repo, api: liar.url, dir, origin: test.gitUrl, tokens },
    ...{ timing: { ...NO_WAITS, answerMs }, userAgent: 'sluice/test' },
  });
  return { test, liar, forge, token };
}

function plan(forge: Forge, changed: Partial<Draft> = {}): Promise<Draft> {
  return draftOf(forge as Parameters<typeof draftOf>[0], { isPlan: true, labels: [], ...changed });
}

/** All that was written at the forge: refs, pull requests, comments, labels. */
function written({ state, requests }: TestForge): string {
  const ok = requests.filter(
    ({ method, route, status }) => method !== 'GET' && !route.startsWith('git ') && status < 400,
  );
  return JSON.stringify([state.issues, state.comments, ok]);
}

/** A Fault that people can act on, that is one line, and that has no token in it. */
async function faultOf(work: Promise<unknown>, token: string): Promise<Fault> {
  const fault = await work.then(
    (done) => new Error(`nothing was refused: ${JSON.stringify(done)}`),
    (error: unknown) => error,
  );
  if (!(fault instanceof Fault)) throw fault;
  expect(inspect(fault, { depth: 9 })).not.toContain(token);
  expect(faultLine(fault, false)).not.toMatch(/[\0-\x1f\x7f-\x9f\u202a-\u202e]/);
  expect(fault.hint).toMatch(/^[A-Z]\w+ \S/);
  return fault;
}

const LISTED = /^GET .*\/pulls\?/;
const READ = /^GET .*\/pulls\/1$/;
const changed = (change: (data: never) => unknown) => (real: string) =>
  JSON.stringify(change(JSON.parse(real) as never));
type Pull = { number: unknown; state: unknown; created_at: unknown; head: Record<string, unknown> };
const withHead = (head: Record<string, unknown>) =>
  changed((pulls: Pull[]) => pulls.map((pull) => ({ ...pull, head: { ...pull.head, ...head } })));
const with_ = (fields: Partial<Pull> & Record<string, unknown>) =>
  changed((pulls: Pull[]) => pulls.map((pull) => ({ ...pull, ...fields })));

const BOMB = gzipSync(Buffer.alloc(40 << 20, ' '));
const HTML = '<!DOCTYPE html><title>Sign in</title>';
const asHtml: Spoil = (_, response) => {
  response.setHeader('content-type', 'text/html');
  response.statusCode = 201; // as the real one could be
  return HTML;
};

const ANSWERS: readonly (readonly [string, Spoil, RegExp])[] = [
  ['not JSON', () => 'hello', /no JSON/],
  ['HTML with 200: a login page', asHtml, /no JSON/],
  ['nothing at all', () => '', /no JSON/],
  ['JSON that ends in the middle', (real) => real.slice(0, -20), /no JSON/],
  ['a connection that ends in the middle', cut, /does not answer/],
  ['a body that is 40 MiB when it is unpacked', bomb, /more than 32 MiB/],
  ['a number', () => '7', /no object, but 7/],
  ['an object for a list', () => '{}', /it is an object/],
  ['a list of strings', () => '["x"]', /\[0\] is "x"/],
  ['a list of null', () => '[null]', /\[0\] is null/],
  ['a number as text', with_({ number: '1/head:refs/heads/main' }), /\[0\]\.number is "1\/head/],
  ['a number that is none', with_({ number: 1e300 }), /\[0\]\.number is 1e\+300/],
  ['a negative number', with_({ number: -1 }), /\[0\]\.number/],
  ['no head', with_({ head: null as never }), /\[0\]\.head is null/],
  ['a head that is an option', withHead({ sha: '--upload-pack=touch /tmp/x' }), /head\.sha is "--upload/],
  ['a head that is a name of git’s', withHead({ sha: 'HEAD^{/x}' }), /head\.sha/],
  ['a head of two lines', withHead({ sha: `${'a'.repeat(40)}\nrefs/heads/main` }), /head\.sha/],
  ['a branch with a refspec in it', withHead({ ref: 'a:refs/heads/main' }), /head\.ref is "a:refs/],
  ['a branch with an escape sequence', withHead({ ref: 'a\u001b[2J' }), /head\.ref/],
  ['a time that is none', with_({ created_at: 'yesterday' }), /created_at is "yesterday"/],
  ['a state of its own', with_({ state: '\u001b[2Jopen' }), /state is/],
  ['a prototype', () => '[{"__proto__":{"number":1}}]', /\[0\]\.number is undefined/],
];

function cut(real: string, response: ServerResponse): undefined {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': real.length });
  response.write(real.slice(0, 30), () => response.destroy());
}

function bomb(_: string, response: ServerResponse): undefined {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  response.end(BOMB);
}

function endless(_: string, response: ServerResponse): undefined {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('[');
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
}

describe('a server that answers to a read with what GitHub cannot have said', () => {
  it('each is a clear fault, after two more tries; nothing is written', async () => {
    const { test, liar, forge, token } = await begin();
    const draft = await plan(forge, { files: NEXT });
    const before = written(test);
    for (const [what, spoil, says] of ANSWERS) {
      liar.spoils.splice(0, 9, { of: LISTED, with: spoil });
      const from = liar.asked.length;
      const fault = await faultOf(forge.propose(draft, { now: LATER }), token);
      expect([what, fault.code, fault.at]).toEqual([
        what,
        'NETWORK',
        expect.stringMatching(/^GET .*\/pulls$/),
      ]);
      expect(fault.message, what).toMatch(says);
      expect(liar.asked.length - from, what).toBe(3);
      expect(written(test), what).toBe(before);
    }
    liar.spoils.splice(0);
    expect(await forge.propose(draft, { now: LATER })).toEqual({ number: 1, outcome: 'updated' });
  });

  it('a body that never ends: the wait has an end', async () => {
    const { test, liar, forge, token } = await begin(300);
    liar.spoils.push({ of: LISTED, with: endless });
    const before = written(test);
    const fault = await faultOf(forge.propose(await plan(forge, { files: NEXT }), { now: LATER }), token);
    expect(fault).toMatchObject({ code: 'NETWORK', message: expect.stringMatching(/timeout/) });
    expect(written(test)).toBe(before);
  });

  it('of every other question that a rewrite asks', async () => {
    const { test, liar, forge, token } = await begin();
    const draft = await plan(forge, { files: NEXT });
    const heads = () => test.state.openPulls.map(({ pull }) => pull.headSha);
    const before = heads();
    const wrong = [
      [READ, '{"number":1}'],
      [
        /^GET .*\/reviews\?/,
        '[{"state":"APPROVED","author_association":"OWNER","user":{},"commit_id":"HEAD"}]',
      ],
      [/^GET .*\/git\/ref\//, '{"object":{"sha":"--x"}}'],
    ] as const;
    for (const [of, text] of wrong) {
      liar.spoils.splice(0, 9, { of, with: () => text });
      const fault = await faultOf(forge.propose(draft, { now: LATER }), token);
      expect(fault).toMatchObject({ code: 'NETWORK', message: expect.stringMatching(/cannot be its own/) });
    }
    const refs = test.requests.filter(({ method }) => method === 'PATCH');
    expect(refs).toEqual([]);
    expect(heads()).toEqual(before);
  });
});

describe('a server that answers to a write', () => {
  const OPENED = /^POST .*\/pulls$/;

  it.each([
    ['HTML', asHtml],
    ['JSON that ends in the middle', (real: string) => real.slice(0, 30)],
    ['a number that is none', changed((pull: Pull) => ({ ...pull, number: 'x' }))],
  ] as const)('with %s: it is looked up, and not sent twice', async (_what, spoil) => {
    const { test, liar, forge } = await begin();
    liar.spoils.push({ of: OPENED, with: spoil });
    const other = await plan(forge, { branch: 'sluice/promote/other', files: NEXT });
    expect(await forge.propose(other, { now: LATER })).toEqual({ number: 2, outcome: 'opened' });
    expect(liar.asked.filter(({ line }) => OPENED.test(line))).toHaveLength(1);
    expect(test.state.openPulls).toHaveLength(2);
  });

  it('with another tree or commit than was asked for: no branch moves', async () => {
    const { test, liar, forge, token } = await begin();
    const draft = await plan(forge, { files: NEXT });
    const [head] = test.state.openPulls.map(({ pull }) => pull.headSha);
    for (const [of, text] of [
      [/^POST .*\/git\/trees$/, `{"sha":"${'b'.repeat(40)}"}`],
      [/^POST .*\/git\/trees$/, '{"sha":"HEAD"}'],
      [/^POST .*\/git\/commits$/, '{"sha":"refs/heads/main"}'],
    ] as const) {
      liar.spoils.splice(0, 9, { of, with: () => text });
      await faultOf(forge.propose(draft, { now: LATER }), token);
      expect(test.state.openPulls.map(({ pull }) => pull.headSha)).toEqual([head]);
    }
  });
});

describe('a server that sends requests elsewhere', () => {
  it('to another host, by whatever status and scheme: no token goes there, nothing is written', async () => {
    const { test, liar, forge, token } = await begin();
    const thief = await between(test);
    const draft = await plan(forge, { files: NEXT });
    const before = written(test);
    const places = [
      `${thief.url}/x?token=${token}`,
      'file:///etc/passwd',
      '//example.invalid/x',
      'javascript:x',
    ];
    for (const location of [
      ...places,
      liar.url.replace('http:', 'https:'),
      'http://[',
      'http://127.0.0.1:1/',
    ]) {
      for (const status of [301, 302, 307, 308]) {
        liar.spoils.splice(0, 9, {
          of: LISTED,
          with: (_, r) => void r.writeHead(status, { location }).end(),
        });
        const fault = await faultOf(forge.propose(draft, { now: LATER }), token);
        expect([location, fault.code]).toEqual([location, 'UNSAFE_URL']);
      }
    }
    expect(thief.asked).toEqual([]);
    expect(liar.asked).toHaveLength(28); // none is tried again
    expect(written(test)).toBe(before);
  });

  it('and a write, wherever to', async () => {
    const { test, liar, forge, token } = await begin();
    const before = test.state.openPulls.map(({ pull }) => pull.headSha);
    for (const status of [301, 302, 303]) {
      const moved: Spoil = (_, r) =>
        void r.writeHead(status, { location: '/repos/example/state/pulls' }).end();
      liar.spoils.splice(0, 9, { of: /^POST .*\/git\/trees$/, with: moved });
      const fault = await faultOf(forge.propose(await plan(forge, { files: NEXT }), { now: LATER }), token);
      expect(fault.code).toBe('UNSAFE_URL'); // as fetch does it, a POST would become a GET
    }
    expect(test.state.openPulls.map(({ pull }) => pull.headSha)).toEqual(before);
  });

  it('in a loop', async () => {
    const { liar, forge, token } = await begin();
    liar.spoils.push({
      of: LISTED,
      with: (_, r) => void r.writeHead(301, { location: '?state=open' }).end(),
    });
    expect((await faultOf(forge.list({ state: 'open' }), token)).code).toBe('UNSAFE_URL');
    expect(liar.asked.length).toBeLessThan(10);
  });

  it('a repository that was renamed is found at its new path, on the same server', async () => {
    const { liar, forge } = await begin();
    liar.spoils.push({
      of: /^GET \/repos\/example\/state\/pulls\/1$/,
      with: (_, r) => void r.writeHead(301, { location: '/repos/Example/state/pulls/1' }).end(),
    });
    expect((await forge.get(1)).number).toBe(1);
  });

  it('by Link: next: it is never followed', async () => {
    const { test, liar, forge } = await begin();
    const thief = await between(test);
    liar.spoils.push({
      of: LISTED,
      with: (_, response) => {
        response.setHeader(
          'link',
          `<${thief.url}/steal>; rel="next", <${liar.url}/pulls?page=1>; rel="last"`,
        );
        return undefined;
      },
    });
    expect(await forge.list({ state: 'open' })).toHaveLength(1);
    expect(thief.asked).toEqual([]);
  });
});

it('a list that never ends has an end', async () => {
  const { liar, forge, token } = await begin();
  const full = changed(([pull]: Record<string, { repo: object }>[]) => {
    const { user, labels, _links, ...rest } = pull ?? {};
    const side = (at = { repo: {} }) => ({ ...at, user: null, repo: { full_name: 'example/state' } });
    const lean = { ...rest, user: null, labels: [], head: side(rest['head']), base: side(rest['base']) };
    return Array.from({ length: 100 }, () => lean);
  });
  let first = '';
  liar.spoils.push({
    of: LISTED,
    with: (real) => {
      first ||= full(real);
      return first;
    },
  });
  expect((await faultOf(forge.list({ state: 'open' }), token)).code).toBe('TOO_LARGE');
  expect(new Set(liar.asked.map(({ line }) => line)).size).toBe(300);
});

it('a limit that ends in no year is in the message, and no crash', async () => {
  const { liar, forge, token } = await begin();
  liar.spoils.push({
    of: LISTED,
    with: (_, response) => {
      response.statusCode = 429;
      response.setHeader('x-ratelimit-reset', '9'.repeat(40));
      return '{"message":"rate limit \\u001b[2J"}';
    },
  });
  const fault = await faultOf(forge.list({ state: 'open' }), token);
  expect(fault).toMatchObject({ code: 'HTTP_STATUS', hint: 'Run it again in some minutes.' });
});
