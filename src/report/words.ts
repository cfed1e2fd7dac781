import { unreachable } from '../base/fault.ts';
import type { Reason, Stay } from '../plan/types.ts';

const DAY = 86_400_000;

/** `2026-03-12`, UTC. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** `2026-03-12 09:00 UTC`, to the next whole minute; midnight as the day alone. */
export function moment(date: Date): string {
  const minute = new Date(Math.ceil(date.getTime() / 60_000) * 60_000);
  const time = minute.toISOString().slice(11, 16);
  return time === '00:00' ? day(minute) : `${day(minute)} ${time} UTC`;
}

/** `9 days`, `1 day`, `5 hours`; `at least` where the beginning lies before what was read. */
export function age(stay: Stay | undefined, now: Date): string {
  if (!stay) return '';
  const ms = Math.max(0, now.getTime() - stay.began.getTime());
  const least = stay.exact ? '' : '≥ ';
  if (ms >= DAY) return `${least}${count(Math.floor(ms / DAY), 'day')}`;
  if (ms < 3_600_000) return 'less than an hour';
  return `${least}${count(Math.floor(ms / 3_600_000), 'hour')}`;
}

export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${number(n)} ${n === 1 ? noun : plural}`;
}

/** 17649 as `17,649`. */
export function number(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `96 MB`, powers of ten as disks are sold. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Why a candidate stays, as a clause. */
export function why(reason: Reason): string {
  switch (reason.kind) {
    case 'held': {
      const until = reason.holdEnds === undefined ? 'no end' : `until ${reason.holdEnds}`;
      const ended = reason.expired ? ', which has passed: renew or drop it' : '';
      const rule = reason.rule.length > 60 ? `${reason.rule.slice(0, 59)}…` : reason.rule;
      return `held by ${rule}: ${reason.why} (${reason.owner}, ${until}${ended})`;
    }
    case 'wait':
    case 'window':
    case 'with':
    case 'broken':
    case 'lockstep':
    case 'mode':
    case 'filtered':
    case 'withdrawn':
    case 'unknown':
      return reason.why;
    default:
      return unreachable(reason);
  }
}

/** When it will move: a day, or what has to happen. */
export function when(reason: Reason): string {
  switch (reason.kind) {
    case 'wait':
    case 'window':
      return moment(reason.until);
    case 'with':
      return reason.until ? `not before ${moment(reason.until)}` : `with ${reason.other}`;
    case 'lockstep':
      return reason.until ? `in lockstep, not before ${moment(reason.until)}` : 'in lockstep';
    case 'held':
      return 'by hand';
    case 'broken':
      return 'when that is mended';
    case 'mode':
      return 'by name';
    case 'filtered':
    case 'withdrawn':
      return 'never';
    case 'unknown':
      return 'unknown';
    default:
      return unreachable(reason);
  }
}

/** `hpc and viz`; `5 teams` where there are many. */
export function teamNames({
  team,
  teams = [team],
}: {
  readonly team: string;
  readonly teams?: readonly string[];
}): string {
  return teams.length > 3 ? `${teams.length} teams` : teams.join(' and ');
}

/** `rocky 9 x86_64` of `rocky-9-x86_64`. */
export function setName(set: string): string {
  return set.replaceAll('-', ' ');
}
