import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './test/reporter.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new SummaryReporter()], // the last one has the last line
    maxWorkers: 2 * availableParallelism(), // a third of the time is waiting: for disks, other programs, servers that never answer
    pool: 'forks', // real processes: tests change directories, umask and limits
    testTimeout: 900_000, // oracles start other programs, on machines that do other work too
    hookTimeout: 900_000,
    allowOnly: false, // a forgotten `.only` must not hide the others
    restoreMocks: true,
    unstubEnvs: true,
  },
});
