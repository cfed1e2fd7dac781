import { quote } from '../base/fault.ts';

/** What GitHub cannot have said: a proxy's login page, an answer that was cut, another program's. Of a write nobody knows whether it was done. */
export class StrangeAnswer extends Error {}

type Check = (value: unknown, at: string) => void;

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
/**
 * What git takes as the name of a branch, and no less: strangers choose how theirs are called, and one that is no more than odd must
 * not stop the bot. So a name may begin with a dash; it is compared and shown, and never an argument by itself.
 */
const REF = /^[^\0-\x20\x7f~^:?*[\\]{1,1024}$/u;

const sha = matching(SHA);
const ref = matching(REF);
const time = matching(TIME);
const text = when((value) => typeof value === 'string');
const count = when((value) => Number.isSafeInteger(value) && Number(value) > 0);
const truth = when((value) => typeof value === 'boolean');

const user = orNull(object({ login: text }));
const repository = object({ full_name: text });
const pull = object({
  ...{ number: count, title: text, body: orNull(text), state: when((v) => v === 'open' || v === 'closed') },
  ...{ labels: list(object({})), user, merged_at: orNull(time), closed_at: orNull(time) },
  ...{ created_at: time, updated_at: time, merge_commit_sha: orNull(sha) },
  head: object({ ref, sha, repo: orNull(repository) }),
  base: object({ ref, sha, repo: repository }),
});
const person = object({ name: text, email: text, date: time });
const commit = object({
  ...{ sha, message: text, author: person, committer: person },
  ...{ tree: object({ sha }), parents: list(object({ sha })) },
});
const review = object({
  ...{ state: text, author_association: text, user, commit_id: orNull(sha), submitted_at: orAbsent(time) },
});
const comment = object({ id: count, user, created_at: time, body: orAbsent(text) });
const rule = object({ type: text, parameters: orAbsent(object({})) });

/** By method and path below the repository; of others only that they are JSON of some form. */
const FORMS: readonly (readonly [RegExp, Check])[] = [
  [/^GET .*\/pulls$/, list(pull)],
  [/^POST .*\/pulls$/, pull],
  [/^(?:GET|PATCH) .*\/pulls\/\d+$/, pull],
  [/^PUT .*\/pulls\/\d+\/merge$/, object({ sha })],
  [/^GET .*\/pulls\/\d+\/reviews$/, list(review)],
  [/^GET .*\/issues\/\d+\/comments$/, list(comment)],
  [/^GET .*\/git\/ref\//, object({ object: object({ sha }) })],
  [/^POST .*\/git\/(?:trees|blobs)$/, object({ sha })],
  [/^(?:GET|POST) .*\/git\/commits(?:\/\w+)?$/, commit],
  [/^GET \/(?:api\/v3\/)?user$/, object({ login: text })],
  [/^GET \/(?:api\/v3\/)?repos\/[^/]+\/[^/]+$/, object({ archived: truth, default_branch: text })],
  [/^GET .*\/rules\/branches\//, list(rule)],
  [/^GET .*\/labels$/, list(object({ name: text }))],
  [/^GET .*\/actions\/workflows$/, object({ workflows: list(object({ path: text, state: text })) })],
  [/^GET .*\/actions\/runners$/, object({ runners: list(object({ name: text, status: text })) })],
  [/^GET .*\/actions\/permissions\/workflow$/, object({ can_approve_pull_request_reviews: truth })],
  [/^GET .*\/installation$/, object({ id: count, permissions: object({}) })],
  [/\/access_tokens$/, object({ token: matching(/^[A-Za-z0-9_.-]{4,2000}$/) })],
];

/** A StrangeAnswer where a value is not what it is taken for further on: an id that goes to git, a time, a number in a path. */
export function checkAnswer(method: string, path: string, data: unknown): void {
  if (typeof data !== 'object' || data === null) throw new StrangeAnswer(`no object, but ${shown(data)}`);
  const asked = `${method} ${path}`;
  FORMS.find(([form]) => form.test(asked))?.[1](data, '');
}

function when(is: (value: unknown) => boolean): Check {
  return (value, at) => {
    if (!is(value)) throw new StrangeAnswer(`${at === '' ? 'it' : at} is ${shown(value)}`);
  };
}

function matching(form: RegExp): Check {
  return when((value) => typeof value === 'string' && form.test(value));
}

function orNull(check: Check): Check {
  return (value, at) => value === null || check(value, at);
}

function orAbsent(check: Check): Check {
  return (value, at) => value === undefined || value === null || check(value, at);
}

function list(check: Check): Check {
  return (value, at) => {
    when(Array.isArray)(value, at);
    (value as unknown[]).forEach((item, n) => {
      check(item, `${at}[${n}]`);
    });
  };
}

function object(fields: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    when((v) => typeof v === 'object' && v !== null && !Array.isArray(v))(value, at);
    for (const [key, check] of Object.entries(fields)) {
      check((value as Record<string, unknown>)[key], at === '' ? key : `${at}.${key}`);
    }
  };
}

/** The token of an installation could be in the wrong place. */
function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value.replace(/gh[a-z]_\w+/g, '…'));
  return Array.isArray(value) ? 'a list' : typeof value === 'object' && value ? 'an object' : String(value);
}
