import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMPILED } from '../fixtures/compiled.ts';

const TOOLS = fileURLToPath(new URL('tools', import.meta.url));

/**
 * What processes of the story see of their machine: the PATH of a plain Linux with this Node and the `npm`, `npx` and `gh`
 * of `tools/` (which says what they do in place of a network), and the test's clock. SLUICE_GITHUB_THROTTLE: GitHub's pauses are real seconds.
 */
export function machine(now: () => Date): () => Record<string, string> {
  const path = [TOOLS, dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  return () => ({
    ...{ ...COMPILED, PATH: path.join(':'), TZ: 'UTC', SLUICE_GITHUB_THROTTLE: 'off' },
    NODE_OPTIONS: `--import=${TOOLS}/clock.mjs`,
    TESTFORGE_NOW: now().toISOString(),
    GIT_CONFIG_NOSYSTEM: '1',
    ...(process.env['TMPDIR'] === undefined ? {} : { TMPDIR: process.env['TMPDIR'] }),
  });
}
