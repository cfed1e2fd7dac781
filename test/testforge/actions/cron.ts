import { Unknown } from './unknown.ts';

const RANGES = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const;

/** The first minute after a time that a schedule names; in UTC, as GitHub has it. */
export function nextTime(cron: string, after: Date): Date {
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5) throw new Unknown('cron', cron);
  const [minutes, hours, days, months, weekdays] = fields.map((field, n) => numbers(field, n, cron));
  const time = new Date(Math.floor(after.getTime() / 60_000) * 60_000);
  for (let n = 0; n < 366 * 24 * 60; n += 1) {
    time.setUTCMinutes(time.getUTCMinutes() + 1);
    const day = days?.has(time.getUTCDate()) === true;
    const weekday = weekdays?.has(time.getUTCDay()) === true;
    // crontab(5): where both are restricted, either is enough
    const either = fields[2] !== '*' && fields[4] !== '*' ? day || weekday : day && weekday;
    const fits = minutes?.has(time.getUTCMinutes()) && hours?.has(time.getUTCHours());
    if (fits && either && months?.has(time.getUTCMonth() + 1)) return time;
  }
  throw new Unknown('cron', `a day of ${cron}`);
}

function numbers(field: string, n: number, cron: string): Set<number> {
  const [least, most] = RANGES[n] ?? [0, 0];
  const found = new Set<number>();
  for (const piece of field.split(',')) {
    const [, first, last, step = '1'] = /^(\*|\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(piece) ?? [];
    if (first === undefined || step === '0') throw new Unknown('cron', cron);
    const from = first === '*' ? least : Number(first);
    const to = first === '*' || (step !== '1' && last === undefined) ? most : Number(last ?? first);
    for (let i = from; i <= to; i += Number(step)) found.add(i);
  }
  return found;
}
