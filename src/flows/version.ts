import { readFileSync } from 'node:fs';

/** The tool's version, from package.json beside `src/` or `dist/`. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
