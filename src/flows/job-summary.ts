import { appendFile, stat } from 'node:fs/promises';
import type { Plan } from '../plan/types.ts';
import type { Provenance } from '../report/acting.ts';
import { jobSummary } from '../report/body.ts';
import { JOB_SUMMARY_LIMIT } from '../report/limits.ts';
import type { World } from './context.ts';

/**
 * The whole plan on the page that GitHub shows of a job: a pull request's body is cut where it would be too long. One step has one page,
 * and beyond its limit GitHub shows nothing of it: what does not fit any more is left out.
 */
export async function summarisePlan({ env }: World, plan: Plan, from: Provenance): Promise<void> {
  const file = env['GITHUB_STEP_SUMMARY'];
  if (file === undefined || file === '') return;
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  const text = `${jobSummary(plan, from)}\n`;
  if (size + Buffer.byteLength(text) <= JOB_SUMMARY_LIMIT) await appendFile(file, text);
}
