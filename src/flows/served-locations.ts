import type { Pin } from '../manifest/snapshot.ts';

/** How an upstream writes the `<location>` of a build. */
export type Template = (pin: Pin) => string;

export const LOCATION = /<location\s(?:[^"'<>]|"[^"]*"|'[^']*')*>/;

/** Before, in and after the file's name. */
const NAMED = /^([\s\S]*?\shref\s*=\s*(?:"(?:[^"]*\/)?|'(?:[^']*\/)?))([^"'/]+\.rpm)(["'][\s\S]*)$/;
const MAX_TEMPLATES = 200;
const INITIAL = '\0'; // in no XML
const PLAIN: Template = (pin) => `<location href="Packages/${fileName(pin)}"/>`;

/** The ways in which an upstream's locations are written, to write that of a build which it no longer lists. */
export class Locations {
  readonly #seen = new Map<string, number>();

  /** An element of primary, read as latin1. */
  see(primary: string): void {
    const [, folder = '', name, rest = ''] = NAMED.exec(LOCATION.exec(primary)?.[0] ?? '') ?? [];
    if (name === undefined) return;
    const isInitial = folder.endsWith(`/${initialOf(name)}/`); // one way for every letter
    const way = `${isInitial ? `${folder.slice(0, -2)}${INITIAL}/` : folder}\n${rest}`;
    this.#seen.set(way, (this.#seen.get(way) ?? 0) + 1);
  }

  /** The commonest first. */
  templates(): Template[] {
    const common = [...this.#seen].sort(([, a], [, b]) => b - a).slice(0, MAX_TEMPLATES);
    const templates = common.map(([way]): Template => {
      const [folder = '', rest = ''] = way.split('\n');
      return (pin) => folder.replace(INITIAL, initialOf(pin.nevra.name)) + fileName(pin) + rest;
    });
    return [...templates, PLAIN];
  }
}

function fileName({ nevra }: Pin): string {
  return `${nevra.name}-${nevra.evr.version}-${nevra.evr.release}.${nevra.arch}.rpm`;
}

function initialOf(name: string): string {
  return name.slice(0, 1).toLowerCase();
}
