// The end of a session that is refused: what people read, and what ssh exits with. How it is printed is for whoever catches it.

export class SessionRefusal extends Error {
  readonly exitCode: number;
  /** false: the sentence stands alone, as a forced command prints some */
  readonly inFrame: boolean;

  constructor(message: string, exitCode = 1, inFrame = true) {
    super(message);
    this.name = 'SessionRefusal';
    this.exitCode = exitCode;
    this.inFrame = inFrame;
  }
}
