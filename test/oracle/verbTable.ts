import type { How, Sight } from '../fixtures/dnfHost.ts';

/** What a verb changed for one host, as its dnf says it. */
export interface Row {
  readonly verb: string;
  readonly before: Sight;
  readonly after: Sight;
  /** Builds that can be had since, and that cannot be had any more. */
  readonly came: readonly string[];
  readonly went: readonly string[];
}

export function rowOf(verb: string, before: Sight, after: Sight): Row {
  const [was, is] = [new Set(before.available), new Set(after.available)];
  const came = after.available.filter((build) => !was.has(build));
  return { verb, before, after, came, went: before.available.filter((build) => !is.has(build)) };
}

export function would(sight: Sight, ...how: How): readonly string[] {
  const said = sight.would.get(how.join(' '));
  if (said === undefined) throw new Error(`dnf was not asked for ${how.join(' ')}`);
  return said;
}

/** `verb → dnf before → dnf after`, for whoever reads a long run. */
export function tableOf(rows: readonly Row[]): string {
  const few = (words: readonly string[]) =>
    words.length === 0
      ? '–'
      : `${words.slice(0, 2).join(', ')}${words.length > 2 ? `, … (${words.length})` : ''}`;
  return rows
    .map(({ verb, before, after, came, went }) => {
      const asked = [...before.would.keys()].map(
        (how) => `  dnf ${how}: ${few(before.would.get(how) ?? [])} → ${few(after.would.get(how) ?? [])}`,
      );
      return [
        `${verb}\n  available: ${before.available.length} → ${after.available.length} (came ${came.length}, went ${went.length})`,
        ...asked,
        `  updateinfo list --security: ${few(before.security)} → ${few(after.security)}`,
        `  module list: ${few(before.modules)} → ${few(after.modules)}`,
      ].join('\n');
    })
    .join('\n');
}
