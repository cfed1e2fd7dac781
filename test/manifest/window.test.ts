import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  DAYS,
  isOpen,
  isTimeZone,
  minutesOf,
  nextChange,
  nextOpening,
  type Window,
} from '../../src/manifest/window.ts';
import { oracle } from '../fixtures/oracle.ts';

const tuesday: Window = { days: ['tue'], from: '09:00', zone: 'Europe/Berlin' };
const iso = (date: Date) => date.toISOString().replace('.000Z', 'Z');

describe('a window', () => {
  it.each([
    ['2026-03-31T06:59:59.999Z', false, 'a moment before'],
    ['2026-03-31T07:00:00Z', true, 'at nine in summer'],
    ['2026-03-31T21:59:59.999Z', true, 'until midnight there'],
    ['2026-03-31T22:00:00Z', false, 'but not after'],
    ['2026-03-24T07:59:59Z', false, 'before nine in winter'],
    ['2026-03-24T08:00:00Z', true, 'at nine in winter'],
    ['2026-03-25T12:00:00Z', false, 'on a Wednesday'],
  ])('on Tuesdays from 09:00 in Berlin: at %s open is %s, %s', (now, open, _why) => {
    expect(isOpen(tuesday, new Date(now))).toBe(open);
  });

  it.each([
    ['2026-03-25T12:00:00Z', '2026-03-31T07:00:00Z', 'across the change to summer time'],
    ['2026-10-21T12:00:00Z', '2026-10-27T08:00:00Z', 'and back'],
    ['2026-03-31T12:34:56Z', '2026-03-31T12:34:56Z', 'at once where it is open'],
    ['2026-03-31T22:00:00Z', '2026-04-07T07:00:00Z', 'a week later where it has just closed'],
  ])('after %s it opens at %s, %s', (now, opens, _why) => {
    expect(iso(nextOpening(tuesday, new Date(now)))).toBe(opens);
  });

  it.each([
    ['2026-03-25T12:00:00Z', '2026-03-31T07:00:00Z', 'it opens'],
    ['2026-03-31T07:00:00Z', '2026-03-31T22:00:00Z', 'it closes'],
    ['2026-03-31T22:00:00Z', '2026-04-07T07:00:00Z', 'it opens again'],
  ])('after %s the next change is at %s: %s', (now, change, _why) => {
    expect(iso(nextChange(tuesday, new Date(now)))).toBe(change);
  });

  it('over midnight belongs to the day on which it opens', () => {
    const night: Window = { days: ['sat'], from: '22:00', to: '04:00', zone: 'America/New_York' };
    expect(isOpen(night, new Date('2026-06-07T01:59:59Z'))).toBe(false); // Saturday 21:59:59
    expect(isOpen(night, new Date('2026-06-07T02:00:00Z'))).toBe(true);
    expect(isOpen(night, new Date('2026-06-07T07:59:59Z'))).toBe(true); // Sunday 03:59:59
    expect(isOpen(night, new Date('2026-06-07T08:00:00Z'))).toBe(false);
    expect(isOpen(night, new Date('2026-06-08T03:00:00Z'))).toBe(false); // Sunday 23:00
  });

  const early: Window = { days: ['sun'], from: '02:30', to: '03:30', zone: 'Europe/Berlin' };
  it.each([
    [
      '2026-03-28T00:00:00Z',
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:30:00Z',
      '02:30 does not exist: it opens with the change',
    ],
    [
      '2026-10-24T00:00:00Z',
      '2026-10-25T00:30:00Z',
      '2026-10-25T02:30:00Z',
      '02:30 comes twice: it opens with the first, and lasts',
    ],
    ['2026-06-06T00:00:00Z', '2026-06-07T00:30:00Z', '2026-06-07T01:30:00Z', 'and on any other Sunday'],
  ])('that begins at a change of the clocks: after %s from %s to %s: %s', (now, opens, closes, _why) => {
    expect(iso(nextOpening(early, new Date(now)))).toBe(opens);
    const last = new Date(new Date(closes).getTime() - 1);
    expect(iso(nextOpening(early, last))).toBe(last.toISOString());
    expect(isOpen(early, new Date(closes))).toBe(false);
  });

  it('that lies in the hour that the clocks skip is left out that day', () => {
    const skipped: Window = { ...early, from: '02:10', to: '02:50' };
    expect(iso(nextOpening(skipped, new Date('2026-03-28T00:00:00Z')))).toBe('2026-04-05T00:10:00Z');
  });

  it('on a day that a country skipped waits for the next week (Samoa, Friday 30 December 2011)', () => {
    const friday: Window = { days: ['fri'], from: '09:00', to: '10:00', zone: 'Pacific/Apia' };
    expect(iso(nextOpening(friday, new Date('2011-12-29T00:00:00Z')))).toBe('2012-01-05T19:00:00Z');
  });

  it.skipIf(!oracle('date')).each([
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe', // changes by half an hour
    'Asia/Kathmandu', // 5:45
    'America/Havana', // changes at midnight
    'Pacific/Chatham',
    'Africa/Casablanca', // off summer time in Ramadan
    'UTC',
  ])('is open in %s when `date` shows it so (a year, every 95 minutes)', (zone) => {
    const start = Date.UTC(2025, 0, 1);
    const instants = Array.from({ length: 5_500 }, (_, i) => start + i * 95 * 60_000);
    const input = instants.map((at) => `@${at / 1000}\n`).join('');
    const env = { TZ: zone, LC_ALL: 'C', PATH: process.env['PATH'] };
    const shown = execFileSync('date', ['-f', '-', '+%w %H:%M'], {
      input,
      encoding: 'utf8',
      env,
      maxBuffer: 1 << 24,
    });
    const window: Window = { days: ['mon', 'thu', 'sun'], from: '06:30', to: '18:00', zone }; // clear of every change
    const answers = shown
      .trim()
      .split('\n')
      .map((line) => {
        const [day = '', time = ''] = line.split(' ');
        return window.days.includes(DAYS[Number(day)] ?? 'mon') && time >= '06:30' && time < '18:00';
      });
    expect(instants.map((at) => isOpen(window, new Date(at)))).toEqual(answers);
    // and the next opening is the first of these instants that is open, or lies between it and the one before
    for (let i = 0; i < instants.length - 200; i += 40) {
      const next = nextOpening(window, new Date(instants[i] ?? 0)).getTime();
      const first = answers.indexOf(true, i);
      expect(next).toBeLessThanOrEqual(instants[first] ?? 0);
      if (first > i) expect(next).toBeGreaterThan(instants[first - 1] ?? 0);
    }
  });
});

describe('words of a window', () => {
  it.each(['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])(
    '%s is a time zone',
    (zone) => {
      expect(isTimeZone(zone)).toBe(true);
    },
  );
  it.each(['', 'Berlin', '+01:00', 'Europe/Berlín', '../UTC', 'UTC\n', 'x'.repeat(100)])(
    '%j is none',
    (zone) => {
      expect(isTimeZone(zone)).toBe(false);
    },
  );
  it.each([
    ['00:00', 0],
    ['09:05', 545],
    ['23:59', 1439],
    ['24:00', undefined],
    ['9:00', undefined],
    ['', undefined],
  ])('%j is %s minutes after midnight', (text, minutes) => {
    expect(minutesOf(text)).toBe(minutes);
  });
});
