import { describe, expect, it } from 'vitest';
import { collectComplaints, loadPolicies } from '../../src/manifest/policy.ts';
import { files, UPSTREAM } from './policies.ts';
import { said } from './samples.ts';

const ID = 'rocky-9-x86_64-baseos';
const PATH = `policies/upstreams/${ID}.yaml`;
const CLIENT = 'client: { cert: $RHEL_CERT, key: /etc/pki/entitlement/key.pem }';

const withAuth = (auth: string): string => UPSTREAM.replace(CLIENT, `auth: ${auth}`);
const complaints = (text: string): string[] => collectComplaints(files({ [PATH]: text })).map(said);

describe('auth refers to secrets', () => {
  const env = (variable: string) => ({ kind: 'env', variable });
  const path = (text: string) => ({ kind: 'path', path: text });

  it.each([
    [
      '{ basic: { user: ann@example.org, password: $PASSWORD } }',
      { kind: 'basic', user: 'ann@example.org', password: env('PASSWORD') },
    ],
    [
      '{ basic: { user: $NAME, password: /run/secrets/p.txt } }',
      { kind: 'basic', user: env('NAME'), password: path('/run/secrets/p.txt') },
    ],
    ['{ bearer: /run/secrets/token }', { kind: 'bearer', token: path('/run/secrets/token') }],
    ['{ query: $TOKEN }', { kind: 'query', token: env('TOKEN') }],
  ])('%s', (text, auth) => {
    const { upstreams } = loadPolicies(files({ [PATH]: withAuth(text) }));
    expect(upstreams.get(ID)?.auth).toEqual(auth);
  });
});

describe('what is no reference is refused at its place, and not said again', () => {
  const REFERENCE =
    'a reference: $NAME of the environment variable whose value it is, or the absolute path of a file';

  it.each([
    [
      'a password',
      '{ basic: { user: ann, password: hunter2 } }',
      '14:39',
      `auth.basic.password must be ${REFERENCE}, not what is written there`,
    ],
    [
      'a password as a user',
      '{ basic: { user: "ann:hunter2", password: $PASSWORD } }',
      '14:24',
      'auth.basic.user must be a name, or a reference as for a password, not what is written there',
    ],
    ['a token', '{ query: hunter2 }', '14:16', `auth.query must be ${REFERENCE}, not what`],
    ['a path that climbs', '{ bearer: /etc/../hunter2 }', '14:17', `auth.bearer must be ${REFERENCE}`],
    ['a path from here', '{ bearer: secrets/hunter2 }', '14:17', `auth.bearer must be ${REFERENCE}`],
    ['a small variable', '{ bearer: $hunter2 }', '14:17', `auth.bearer must be ${REFERENCE}`],
    [
      'a token in place of auth',
      'hunter2',
      '14:7',
      'auth must be one of basic: { user, password }, bearer: TOKEN and query: TOKEN, not what is written there',
    ],
    ['a token as a key', '{ bearer:hunter2 }', '14:9', 'auth has the unknown key'],
    ['a token as a tag', '{ bearer: !hunter2 }', '14:17', '"!…" is a tag'],
    ['a token as an alias', '{ bearer: *hunter2 }', '14:17', '"*…" is an alias'],
    ['a token behind a token', '{ bearer: "x" hunter2 }', '14:', 'not YAML'],
    ['two kinds', '{ bearer: $A, query: $B }', '14:7', 'auth must be one of basic'],
    ['no kind', '{}', '14:7', 'auth must be one of basic'],
    ['a password without its user', '{ basic: { password: $A } }', '14:9', 'auth.basic lacks the key "user"'],
  ])('%s', (_what, auth, place, message) => {
    const found = complaints(withAuth(auth)).join('\n');
    expect(found).toContain(`POLICY_INVALID ${PATH}:${place}`);
    expect(found).toContain(message);
    expect(found).not.toContain('hunter2');
  });

  it.each([
    [
      'of a URL',
      'https://ann:hunter2@dl.example.org/9',
      'must not have a user or a password: policies are public',
    ],
    [
      'of a URL that is none',
      'https://ann:hunter2@dl.example.org:99999/9',
      'must be a URL, not "https://…@dl',
    ],
    ['of a URL of another kind', 'ftp://ann:hunter2@dl.example.org/9', 'not "ftp://…@dl.example.org'],
  ])('a password %s', (_what, url, message) => {
    const found = complaints(UPSTREAM.replace('https://dl.example.org/9/BaseOS/x86_64/os/', url)).join('\n');
    expect(found).toContain(`${PATH}:4:11 `);
    expect(found).toContain(message);
    expect(found).not.toContain('hunter2');
  });

  it('a key in place of the path to it', () => {
    const found = complaints(UPSTREAM.replace('/etc/pki/entitlement/key.pem', 'hunter2')).join('\n');
    expect(found).toContain(`${PATH}:14:34 client.key must be an absolute path`);
    expect(found).not.toContain('hunter2');
  });
});

describe('credentials for', () => {
  const HTTP = 'would carry the credentials of auth in the open';

  it.each([
    ['a server over TLS', 'baseurl: [https://dl.example.org/9]', undefined],
    ['this machine', 'baseurl: [http://127.0.0.1:8080/9, "http://localhost/9", "http://[::1]/9"]', undefined],
    ['a folder, and a server', 'baseurl: ["file:///srv/9", https://dl.example.org/9]', undefined],
    ['the open', 'baseurl: [https://dl.example.org/9, http://dl.example.org/9]', `4:37 baseurl[1] ${HTTP}`],
    ['a host called as if', 'baseurl: [http://localhost.example.org/9]', `4:11 baseurl[0] ${HTTP}`],
    ['a list in the open', 'mirrorlist: http://list.example.org/9', `4:13 mirrorlist ${HTTP}`],
    ['a folder', 'baseurl: ["file:///srv/9"]', '14:1 auth says nothing where files are read from disk'],
  ])('%s', (_what, line, complaint) => {
    const text = withAuth('{ query: $TOKEN }').replace(/^baseurl.*$/m, line);
    expect(complaints(text)).toEqual(complaint === undefined ? [] : [`POLICY_INVALID ${PATH}:${complaint}`]);
  });

  it('rsync: a user and a password, and nothing else', () => {
    const at = (auth: string, base: string) =>
      complaints(withAuth(auth).replace(/^baseurl.*$/m, `baseurl: ["rsync://${base}"]`));
    expect(at('{ basic: { user: ann, password: $P } }', 'dl.example.org/pub/9/')).toEqual([]);
    expect(at('{ query: $P }', 'dl.example.org/pub/9/')).toEqual([
      `POLICY_INVALID ${PATH}:4:11 baseurl[0] is rsync, which takes a user and a password`,
    ]);
    const SPELLING = 'must be rsync://host/module/…, in plain lower-case letters';
    for (const base of [
      'DL.example.org/pub',
      'dl.example.org',
      'dl.example.org/-x/',
      'a/%70ub',
      'a/p*b',
      '-a/pub',
    ])
      expect(at('{ basic: { user: ann, password: $P } }', base)).toEqual([
        `POLICY_INVALID ${PATH}:4:11 baseurl[0] ${SPELLING}`,
      ]);
    expect(at('{ basic: { user: ann, password: $P } }', 'ann:hunter2@dl.example.org/pub')).toEqual([
      `POLICY_INVALID ${PATH}:4:11 baseurl[0] must not have a user or a password: policies are public`,
    ]);
    const thin = UPSTREAM.replace('content: full', 'content: thin').replace('https://dl', 'rsync://dl');
    expect(complaints(thin)).toEqual([
      `POLICY_INVALID ${PATH}:4:11 baseurl[0] is rsync, which clients of thin content do not speak`,
    ]);
    const list = UPSTREAM.replace(/^baseurl.*$/m, 'mirrorlist: "rsync://dl.example.org/pub"');
    expect(complaints(list)).toEqual([
      `POLICY_INVALID ${PATH}:4:13 mirrorlist must be https or http, not rsync`,
    ]);
  });

  it('clients, which have none', () => {
    const text = withAuth('{ query: $TOKEN }').replace('content: full', 'content: thin');
    expect(complaints(text)).toEqual([
      `POLICY_INVALID ${PATH}:14:1 auth is not what clients have, and they fetch what is thin`,
    ]);
  });
});
