import { unreachable } from '../base/fault.ts';
import type { InsideChange } from '../plan/inside.ts';

/** What is other inside of a build, as a clause. */
export function insideWords(change: InsideChange): string {
  switch (change.kind) {
    case 'script':
      return change.how === 'changed' ? `${change.name} changed` : `${change.how} ${change.name}`;
    case 'setuid':
    case 'capability': {
      if (change.now === '') return `${change.path} is no longer ${change.was}`;
      return `${change.path} is ${change.now}${change.was === '' ? '' : `, was ${change.was}`}`;
    }
    case 'unit':
      return `${change.how === 'new' ? 'new' : 'gone:'} ${change.path}`;
    case 'vendor':
      return `vendor ${change.was || 'none'} → ${change.now || 'none'}`;
    case 'license':
      return `licence ${change.was || 'none'} → ${change.now || 'none'}`;
    case 'key':
      return `signed by ${change.now.join(', ')}, the one before by ${change.was.join(', ')}`;
    case 'shared':
      return `${change.path} is also owned by ${change.other}`;
    default:
      return unreachable(change);
  }
}

/** Whether a person should look before merging: what comes may do more than what goes, or is somebody else's. */
export function needsEyes(change: InsideChange): boolean {
  switch (change.kind) {
    case 'script':
    case 'unit':
      return change.how === 'new';
    case 'setuid':
    case 'capability':
      return change.now !== '';
    case 'vendor':
    case 'key':
    case 'shared':
      return true;
    case 'license':
      return false;
    default:
      return unreachable(change);
  }
}
