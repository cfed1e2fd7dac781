import { Refusal } from './call.ts';
import type { State, Token } from './state.ts';

interface Window {
  start: number;
  used: number;
  content: number[];
  points: { at: number; cost: number }[];
}

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** "Rate limits for the REST API", counted on the injected clock. */
export class Limits {
  readonly #state: State;
  readonly #windows = new Map<string, Window>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Counts one request; a Refusal where one of the limits is passed. */
  count(token: Token, method: string, makesContent: boolean): void {
    const now = this.#state.clock().getTime();
    const window = this.#window(token, now);
    const { limits } = this.#state.settings;
    if (window.used >= token.limit) {
      const message = `API rate limit exceeded for installation ID ${token.actor.id}.`;
      throw new Refusal(403, message, { headers: this.headers(token) });
    }
    window.used += 1;
    const cost = method === 'GET' ? 1 : 5; // "Calculating points for the secondary rate limit"
    window.points = window.points.filter(({ at }) => now - at < MINUTE && at <= now);
    window.points.push({ at: now, cost });
    if (window.points.reduce((sum, point) => sum + point.cost, 0) > limits.pointsPerMinute)
      this.secondary(60);
    if (!makesContent) return;
    window.content = window.content.filter((at) => now - at < HOUR && at <= now);
    window.content.push(now);
    const lastMinute = window.content.filter((at) => now - at < MINUTE).length;
    if (lastMinute > limits.contentPerMinute || window.content.length > limits.contentPerHour)
      this.secondary(60);
  }

  /** A conditional request that is answered by 304 does not count ("Best practices …"). */
  giveBack(token: Token): void {
    const window = this.#window(token, this.#state.clock().getTime());
    window.used = Math.max(0, window.used - 1);
  }

  /** From now until the hour is over. */
  exhaust(token: Token): void {
    this.#window(token, this.#state.clock().getTime()).used = token.limit;
  }

  secondary(retryAfter?: number): never {
    const message =
      'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
    const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
    throw new Refusal(403, message, { headers });
  }

  of(token: Token): { limit: number; used: number; remaining: number; reset: number } {
    const { used, start } = this.#window(token, this.#state.clock().getTime());
    const reset = Math.ceil((start + HOUR) / 1000);
    return { limit: token.limit, used, remaining: token.limit - used, reset };
  }

  headers(token: Token): Record<string, string> {
    const { limit, used, remaining, reset } = this.of(token);
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-used': String(used),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': String(reset),
      'x-ratelimit-resource': 'core',
    };
  }

  #window({ token }: Token, now: number): Window {
    let window = this.#windows.get(token);
    if (!window || now - window.start >= HOUR || now < window.start) {
      window = { start: now, used: 0, content: window?.content ?? [], points: window?.points ?? [] };
      this.#windows.set(token, window);
    }
    return window;
  }
}
