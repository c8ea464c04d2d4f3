// The sentences with which git's doors say no, one for each refusal, the same over HTTPS and SSH (reference git-and-deploy 8.4,
// 10.3). Status numbers, exit codes and frames are for the doors.
import type { Refusal } from '../access/refusal.ts';
import type { Service } from './serve.ts';

export const NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it.";
export const NO_REPOSITORY = 'A repository for this project does not exist yet.';
export const BUSY = 'The git server is busy right now. Please try again.';

/** Why a genuine key may not pull or push there. Refusals that say nothing of the place get the plainest sentence. */
export function refusalText(refusal: Refusal, service: Service): string {
  const pull = service === 'upload-pack';
  switch (refusal.code) {
    case 'scope_missing':
      return pull ? 'You are not allowed to download code.' : 'You are not allowed to upload code.';
    case 'kind_not_allowed':
      return pull ? 'You are not allowed to download code.' : 'You are not allowed to upload code for this project.';
    case 'hidden':
      return NOT_FOUND;
    case 'archived':
      return "You can't push code to an archived project.";
    case 'protected':
      return refusal.message ?? ofProject(pull);
    default:
      return ofProject(pull);
  }
}

function ofProject(pull: boolean): string {
  return pull
    ? 'You are not allowed to download code from this project.'
    : 'You are not allowed to push code to this project.';
}
