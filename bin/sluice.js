#!/usr/bin/env node
// Plain JavaScript that old Nodes can read: they must get this message, not a syntax error from a dependency.
const needed = 24;
const major = Number(process.versions.node.split('.')[0]);

if (major < needed) {
  console.error(
    `sluice: needs Node ${needed} or newer, and this is Node ${process.versions.node} (${process.execPath}).`,
  );
  console.error(
    `sluice: install Node ${needed}, or add the package node@${needed} beside sluice and run \`npx sluice\`.`,
  );
  process.exitCode = 1;
} else {
  await import('../dist/cli.js');
}
