// `--import` of a Node that is to live at another time: its clock starts at TESTFORGE_NOW and goes on from there.
const start = Date.parse(process.env.TESTFORGE_NOW ?? '');
if (!Number.isNaN(start)) {
  const Real = Date;
  const ahead = start - Real.now();
  globalThis.Date = class Shifted extends Real {
    /** @param {any[]} given */
    constructor(...given) {
      if (given.length === 0) super(Real.now() + ahead);
      else super(.../** @type {[number]} */ (given));
    }

    static now() {
      return Real.now() + ahead;
    }
  };
}
