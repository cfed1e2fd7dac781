import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { recallPlan, withdrawPlan } from './plan-recall.ts';
import { readState } from './state.ts';

export interface RecallRequest {
  /** A NEVRA, a source package, a checksum. */
  readonly what?: string | undefined;
  /** The recall that is to end. */
  readonly withdraw?: string | undefined;
  readonly reason: string;
  readonly cascade: boolean;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Takes builds out of every tier of every team, or ends that: one plan and one pull request, because it must not be half. */
export async function recall(world: World, request: RecallRequest): Promise<Delivered[]> {
  const { what, withdraw, reason, cascade, how, all } = request;
  if ((what === undefined) === (withdraw === undefined)) {
    throw new Fault('USAGE', 'what is recalled, or which recall is withdrawn, is not said', {
      hint: 'sluice recall openssl-3.0.7-28.el9 --reason TEXT, or sluice recall --withdraw ID --reason TEXT.',
    });
  }
  checkLine('what is recalled', what ?? withdraw ?? '');
  checkLine('reason', reason, '--reason');
  const by = checkLine('name', world.by, '--by', 200);
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const { now } = world;
  const plan =
    what === undefined
      ? withdrawPlan(state, withdraw ?? '', { reason, by, now })
      : await recallPlan(state, mirror.catalog, { what, reason, by, cascade }, now);
  const options: [string, string][] = [
    what === undefined ? ['Sluice-Withdraw', withdraw ?? ''] : ['Sluice-Named', what],
    ['Sluice-Reason', reason],
    ['Sluice-By', by],
    ...(cascade ? [['Sluice-Cascade', 'yes'] as [string, string]] : []),
  ];
  const branch = what === undefined ? [`withdraw-${withdraw}`] : [what];
  const asked = { verb: 'recall', scope: 'vendor/live recalls', now, options, branch };
  return [await deliver(world, { plan, state, repo, mirror, asked, how, all })];
}
