/** The days of the week as policies write them, in the order of `Date.getUTCDay`. */
export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Day = (typeof DAYS)[number];

/** When a tier may move by itself: wall-clock times in one IANA time zone. */
export interface Window {
  readonly days: readonly Day[];
  /** `09:00`, inclusive. */
  readonly from: string;
  /** `17:00`, exclusive; absent: to the end of the day. Before `from`: on the next day. */
  readonly to?: string;
  /** `Europe/Berlin` */
  readonly zone: string;
}

const SECOND = 1_000;
const DAY = 86_400_000;

/** More than any week, because a day can be missing (Samoa had no 30 December 2011). */
const SEARCHED_DAYS = 30;

/** True while the window is open. */
export function isOpen(window: Window, now: Date): boolean {
  return nextOpening(window, now).getTime() === now.getTime();
}

/** The first moment from `now` on at which the window is open: `now` itself where it is. */
export function nextOpening(window: Window, now: Date): Date {
  for (const { opens, closes } of openings(window, now)) {
    if (now.getTime() < closes) return new Date(Math.max(opens, now.getTime()));
  }
  throw new Error(`a window that does not open within ${SEARCHED_DAYS} days: ${JSON.stringify(window)}`);
}

/** The first opening after the one that `at` is in, or after `at` itself. */
export function openingAfter(window: Window, at: Date): Date {
  for (const { opens } of openings(window, at)) if (opens > at.getTime()) return new Date(opens);
  throw new Error(`a window that does not open within ${SEARCHED_DAYS} days: ${JSON.stringify(window)}`);
}

/** When the window opens or closes next, after `now`. */
export function nextChange(window: Window, now: Date): Date {
  for (const { opens, closes } of openings(window, now)) {
    if (now.getTime() < opens) return new Date(opens);
    if (now.getTime() < closes) return new Date(closes);
  }
  throw new Error(`a window that does not open within ${SEARCHED_DAYS} days: ${JSON.stringify(window)}`);
}

/** True of an IANA name that this runtime knows (`Europe/Berlin`, `UTC`); offsets such as `+01:00` are none. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(text)) return false;
  try {
    formatter(text);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Minutes after midnight of `09:00`; undefined for what is no time of day. */
export function minutesOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01][0-9]|2[0-3]):([0-5][0-9])$/.exec(text) ?? [];
  return hours === undefined || minutes === undefined ? undefined : Number(hours) * 60 + Number(minutes);
}

/** The openings from yesterday on, in order. One that the clocks skip entirely is left out. */
function* openings(window: Window, now: Date): Generator<{ opens: number; closes: number }> {
  const from = minutesOf(window.from);
  const to = window.to === undefined ? 24 * 60 : minutesOf(window.to);
  if (from === undefined || to === undefined || window.days.length === 0) {
    throw new Error(`a window that no policy can have: ${JSON.stringify(window)}`);
  }
  const lasts = to > from ? to : to + 24 * 60; // minutes after the day's midnight
  const today = Math.floor(wallClock(window.zone, now.getTime()) / DAY) * DAY;
  for (let date = today - DAY; date <= today + SEARCHED_DAYS * DAY; date += DAY) {
    const day = DAYS[new Date(date).getUTCDay()];
    if (day === undefined || !window.days.includes(day)) continue;
    const opens = instants(window.zone, date + from * 60 * SECOND).first;
    const closes = instants(window.zone, date + lasts * 60 * SECOND).last;
    if (opens < closes) yield { opens, closes };
  }
}

/**
 * When the clocks of a zone show `wall` (milliseconds, as if it were UTC): twice where they are put back, and where they are
 * put forward past it, the moment of the change. A window begins at the first and ends at the last, so it never shrinks.
 */
function instants(zone: string, wall: number): { first: number; last: number } {
  const offsets = [offsetAt(zone, wall - DAY), offsetAt(zone, wall + DAY)]; // no zone is further than 14 h from UTC
  const shown = offsets.map((offset) => wall - offset).filter((at) => wallClock(zone, at) === wall);
  if (shown.length > 0) return { first: Math.min(...shown), last: Math.max(...shown) };
  let before = wall - Math.max(...offsets);
  let after = wall - Math.min(...offsets);
  while (after - before > SECOND) {
    const middle = Math.floor((before + after) / 2 / SECOND) * SECOND;
    if (wallClock(zone, middle) < wall) before = middle;
    else after = middle;
  }
  return { first: after, last: after };
}

function offsetAt(zone: string, at: number): number {
  return wallClock(zone, at) - at;
}

/** What the clocks of a zone show at an instant, to the second, as if it were UTC. */
function wallClock(zone: string, at: number): number {
  const field: Record<string, number> = {};
  for (const { type, value } of formatter(zone).formatToParts(at)) field[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Kept, because making one takes longer than all that it is asked. */
function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(zone, made);
  return made;
}
