import type { Pin } from '../manifest/snapshot.ts';

/** How an upstream writes the `<location>` of a build. */
export type Template = (pin: Pin) => string;

export const LOCATION = /<location\s(?:[^"'<>]|"[^"]*"|'[^']*')*>/;

/** Before, in and after the file's name. */
const NAMED = /^([\s\S]*?\shref\s*=\s*(?:"(?:[^"]*\/)?|'(?:[^']*\/)?))([^"'/]+\.rpm)(["'][\s\S]*)$/;
const MAX_TEMPLATES = 200;
const INITIAL = '\0'; // in no XML
const PLAIN: Template = (pin) => `<location href="Packages/${fileName(pin)}"/>`;

/**
 * The ways in which an upstream's locations are written, to write that of a build which it no longer lists: the commonest first, by
 * the elements of its primary.
 */
export function locationTemplates(primaries: Iterable<Buffer>): Template[] {
  const ways = new Map<string, number>();
  for (const primary of primaries) {
    const way = wayOf(primary.toString('latin1'));
    if (way !== undefined) ways.set(way, (ways.get(way) ?? 0) + 1);
  }
  const common = [...ways].sort(([, a], [, b]) => b - a).slice(0, MAX_TEMPLATES);
  const templates = common.map(([way]): Template => {
    const [folder = '', rest = ''] = way.split('\n');
    return (pin) => folder.replace(INITIAL, initialOf(pin.nevra.name)) + fileName(pin) + rest;
  });
  return [...templates, PLAIN];
}

function wayOf(primary: string): string | undefined {
  const [, folder = '', name, rest = ''] = NAMED.exec(LOCATION.exec(primary)?.[0] ?? '') ?? [];
  if (name === undefined) return undefined;
  const isInitial = folder.endsWith(`/${initialOf(name)}/`); // one way for every letter
  return `${isInitial ? `${folder.slice(0, -2)}${INITIAL}/` : folder}\n${rest}`;
}

function fileName({ nevra }: Pin): string {
  return `${nevra.name}-${nevra.evr.version}-${nevra.evr.release}.${nevra.arch}.rpm`;
}

function initialOf(name: string): string {
  return name.slice(0, 1).toLowerCase();
}
