/** The other side of `workerDigest`: opens frames and hashes their text, in order. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { SitePolicy } from '../manifest/policy.ts';
import { openFrame } from './frame.ts';
import type { Told } from './open-digest.ts';

const how: SitePolicy['compression'] = workerData;
const hash = createHash('sha256');

parentPort?.on('message', (told: Told) => {
  switch (told.kind) {
    case 'frame':
      hash.update(openFrame({ bytes: Buffer.from(told.bytes), openLength: told.openLength }, how));
      return;
    case 'end':
      parentPort?.postMessage(hash.digest('hex'));
      parentPort?.close();
  }
});
