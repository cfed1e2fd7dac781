import type { Reporter, TestModule } from 'vitest/node';

type Modules = Parameters<NonNullable<Reporter['onTestRunEnd']>>[0];
type Errors = Parameters<NonNullable<Reporter['onTestRunEnd']>>[1];

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  /** `file > suite > test`, with the reason where the test gave one. */
  readonly skipped: readonly string[];
}

/**
 * Counts a run. What is not a test and still went wrong is a failure too: a file that does not load, a hook
 * of a whole suite, an error that nobody caught, and a test that was interrupted before it had a result.
 */
export function summarise(modules: Modules, unhandled: Errors): Summary {
  let passed = 0;
  let failed = unhandled.length;
  const skipped: string[] = [];
  for (const module of modules) {
    if (module.errors().length > 0) failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed += 1;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed += 1;
      else if (result.state === 'skipped') skipped.push(nameOf(module, test.fullName, result.note));
      else failed += 1;
    }
    if (!module.ok() && module.errors().length === 0 && [...module.children.allTests()].length === 0)
      failed += 1;
  }
  return { passed, failed, skipped };
}

/** Ends the output of a run with `N passed, N failed, N skipped`, and names what was skipped before it. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: Modules, unhandled: Errors): void {
    const { passed, failed, skipped } = summarise(modules, unhandled);
    for (const name of skipped) console.log(`skipped: ${name}`);
    console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}

function nameOf(module: TestModule, fullName: string, note: string | undefined): string {
  return `${module.relativeModuleId} > ${fullName}${note ? ` (${note})` : ''}`;
}
