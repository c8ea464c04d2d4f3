// What the doctor says: one finding a sentence.

export interface Finding {
  readonly check:
    | 'database'
    | 'audit'
    | 'repositories'
    | 'blobs'
    | 'pushes'
    | 'permissions'
    | 'keys'
    | 'clock'
    | 'settings'
    | 'server';
  /** damage: something is lost or altered. risk: something may be, soon. note: worth knowing, and no fault */
  readonly level: 'damage' | 'risk' | 'note';
  readonly text: string;
}
