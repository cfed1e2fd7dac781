import { Fault } from '../base/fault.ts';
import type { Git } from './git.ts';
import { readObject } from './object-reader.ts';
import { missing } from './objects.ts';

/** A commit's own bytes without its signature, and that signature. */
export interface SignedCommit {
  readonly payload: Buffer;
  /** As the header `gpgsig` has it: armored OpenPGP, SSH or X.509; undefined: nobody signed it. */
  readonly signature: string | undefined;
}

/** What a signature of a commit is over: everything but the headers that hold signatures (git's commit.c, parse_buffer_signed_by_header). */
export async function readSignedCommit(git: Git, id: string): Promise<SignedCommit> {
  const found = await readObject(git, id);
  if (found?.type !== 'commit') throw missing(git, id);
  const text = found.bytes.toString('latin1');
  const end = text.indexOf('\n\n');
  const kept: string[] = [];
  const signatures: string[] = [];
  let into: string[] | undefined;
  for (const line of text.slice(0, end).split('\n')) {
    if (line.startsWith(' ') && into !== kept) signatures.push(`${signatures.pop()}\n${line.slice(1)}`);
    else if (/^gpgsig(-sha256)? /.test(line)) {
      into = signatures;
      signatures.push(line.slice(line.indexOf(' ') + 1));
    } else {
      into = kept;
      kept.push(line);
    }
  }
  if (signatures.length > 1) {
    throw new Fault('SIGNATURE_INVALID', 'the commit has more than one signature', {
      hint: 'Find out who made it.',
      at: id,
    });
  }
  return {
    payload: Buffer.from(`${kept.join('\n')}${text.slice(end)}`, 'latin1'),
    signature: signatures[0],
  };
}
