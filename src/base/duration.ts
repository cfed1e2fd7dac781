import { malformed } from './fault.ts';

const MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** `90m`, `72h`, `7d`, `2w` in milliseconds; at most ten years. What cannot be read is never zero. */
export function parseDuration(text: string, at?: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (!digits || !unit) throw malformed('duration (such as 90m, 72h, 7d, 2w)', text, at);
  const ms = Number(digits) * MS[unit as keyof typeof MS];
  if (ms > 3_660 * MS.d) throw malformed('duration (at most ten years)', text, at);
  return ms;
}

/** In the largest unit that needs no fraction: 604,800,000 is `7d`, 5,400,000 is `90m`. Weeks are written as days. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm'] as const)
    if (ms !== 0 && ms % MS[unit] === 0) return `${ms / MS[unit]}${unit}`;
  return `${Math.round(ms / MS.s)}s`;
}
