/** `node test/bench/measured.ts CLI VERB …`: that command line as it is, and at the end one line of JSON on standard error. */
const started = performance.now();
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const ms = Math.round(performance.now() - started);
  const cpuMs = Math.round((userCPUTime + systemCPUTime) / 1000);
  process.stderr.write(`\n${JSON.stringify({ ms, cpuMs, rssMB: Math.round(maxRSS / 1024) })}\n`);
});
const [cli = ''] = process.argv.splice(2, 1);
await import(cli);

export {};
