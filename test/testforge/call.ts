import type { BareGit } from './git.ts';
import type { Json } from './json.ts';
import type { Actor, State, Token } from './state.ts';

/** What a route works with. */
export interface World {
  readonly state: State;
  readonly git: BareGit;
  readonly json: Json;
  /** Pull requests follow their branches: after a push, a changed or a deleted ref. */
  readonly settle: (by: Actor) => Promise<void>;
}

export interface Call extends World {
  readonly token: Token;
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** The whole list: the server cuts the page out, and puts it under `wrap` beside `total_count`. */
  readonly list?: readonly unknown[];
  readonly each?: (item: never) => unknown;
  readonly wrap?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  /** `scope:level`, any of them; empty for what every token may do. */
  readonly needs: readonly string[];
  /** "Content-generating requests" have limits of their own. */
  readonly content?: boolean;
  readonly run: (call: Call) => Promise<Answer> | Answer;
}

export type Routes = Readonly<Record<string, Route>>;

/** An answer that is not the wanted one. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(
    status: number,
    message: string,
    more: { errors?: readonly unknown[]; headers?: Record<string, string> } = {},
  ) {
    super(message);
    const documentation_url = 'https://docs.github.com/rest';
    const errors = more.errors === undefined ? {} : { errors: more.errors };
    const body =
      status === 422 || status === 405 || status === 409
        ? { message, ...errors, documentation_url }
        : { message, documentation_url, status: String(status) };
    this.answer = { status, body, ...(more.headers ? { headers: more.headers } : {}) };
  }
}

export function notFound(): Refusal {
  return new Refusal(404, 'Not Found');
}

/** `Validation Failed` with one fault of one field. */
export function invalid(resource: string, field: string, code: string, message?: string): Refusal {
  const error = message === undefined ? { resource, field, code } : { resource, field, code, message };
  return new Refusal(422, 'Validation Failed', { errors: [error] });
}

/**
 * The body of issues, pull requests, comments and reviews: the 422 of renovatebot/renovate#2032, and release-please's
 * MAX_ISSUE_BODY_SIZE = 65536. Counted in UTF-16 units, of which there are never fewer than of what GitHub counts.
 */
export function checkBody(body: unknown, resource = 'Issue'): void {
  if (typeof body !== 'string' || body.length <= 65_536) return;
  throw invalid(resource, 'body', 'custom', 'body is too long (maximum is 65536 characters)');
}

/** 256: what Argo CD Image Updater's documentation and others cut titles to (255). */
export function checkTitle(title: unknown): void {
  if (typeof title === 'string' && title.length > 256) {
    throw invalid('Issue', 'title', 'custom', 'title is too long (maximum is 256 characters)');
  }
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
