// The proof that a deed may be done: it names its action in its type and carries the place, loaded. The class is not exported
// and has a private brand, so only access/ makes one; every operation asks for it and takes the place from it. Never stored.
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { Action, actions } from './actions.ts';
import type { GroupPlace, InstancePlace, NamespacePlace, Place, ProjectPlace } from './place.ts';

interface PlaceByType {
  readonly instance: InstancePlace;
  readonly project: ProjectPlace;
  readonly group: GroupPlace;
  readonly namespace: NamespacePlace;
}

/** The loaded place that an action is asked at. */
export type PlaceFor<A extends Action> = PlaceByType[(typeof actions)[A]['place']];

class AllowedProof<A extends Action> {
  readonly #brand: (action: A) => A = (action) => action;
  readonly action: A;
  readonly place: PlaceFor<A>;
  readonly credential: VerifiedCredential;
  /** the holder is an administrator: caps that compare levels count him as Owner */
  readonly asAdmin: boolean;

  constructor(action: A, place: PlaceFor<A>, credential: VerifiedCredential, asAdmin: boolean) {
    this.action = this.#brand(action);
    this.place = place;
    this.credential = credential;
    this.asAdmin = asAdmin;
  }
}

export type Allowed<A extends Action> = AllowedProof<A>;

/** Makes the proof. For access/decide.ts alone (a test in test/house holds that). */
export function allow<A extends Action>(
  action: A,
  place: Place,
  credential: VerifiedCredential,
  asAdmin: boolean,
): Allowed<A> {
  return new AllowedProof(action, place as PlaceFor<A>, credential, asAdmin);
}

/** The level that caps what the caller may hand out here: his own, or Owner for an administrator. */
export function capLevel(allowed: { readonly place: { readonly level: number }; readonly asAdmin: boolean }): number {
  return allowed.asAdmin ? 50 : allowed.place.level;
}
