import { Fault } from '../base/fault.ts';
import { diskFault } from '../pool/disk-fault.ts';
import { plain } from '../report/safe.ts';

/** Exit codes are an interface: 0 done, 1 a person must act, 2 our bug. A flow that answers false wants a person. */
export async function main(flow: () => Promise<boolean | undefined>): Promise<void> {
  try {
    if ((await flow()) === false) process.exitCode = 1;
  } catch (thrown) {
    const error = systemFault(thrown);
    process.exitCode = error instanceof Fault ? 1 : 2;
    if (error instanceof Fault)
      return console.error(faultLine(error, process.env['GITHUB_ACTIONS'] !== undefined));
    if (isClosedPipe(error)) return;
    console.error(error); // stack and causes: this one is for us
    console.error('This is a bug of Sluice; please report it with the lines above.');
  }
}

/** Wherever the disk is full or read-only, a person must act: no code of ours is wrong because of it. */
function systemFault(error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  if (error.code === 'EEXIST' || error.code === 'ENOTDIR' || error.code === 'EXDEV') return error;
  const at = 'path' in error ? String(error.path) : undefined;
  return diskFault(error, `${String(error.syscall)} failed`, at);
}

/** `policies/x.yaml:12:3: POLICY_INVALID: message. Next step.`; as an annotation of that line under GitHub Actions. */
export function faultLine(fault: Fault, annotate: boolean): string {
  const message = `${fault.code}: ${plain(fault.message, 2_000)}`.replace(/\.$/, '');
  const text = `${message}. ${plain(fault.hint, 2_000)}`;
  if (!annotate) return `${fault.at === undefined ? 'sluice' : plain(fault.at, 500)}: ${text}`;
  const [, file, line, col] = /^([^:]+\.(?:yaml|lock)):(\d+)(?::(\d+))?$/.exec(fault.at ?? '') ?? [];
  const where = file ? ` file=${property(plain(file, 500))},line=${line}${col ? `,col=${col}` : ''}` : '';
  return `::error${where}::${data(text)}`;
}

function isClosedPipe(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EPIPE';
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
