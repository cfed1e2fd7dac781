/** A workflow uses what the test forge's runner does not know: the test fails, for what was not run was not tested. */
export class Unknown extends Error {
  constructor(where: string, what: string) {
    super(`${where}: the test forge's runner does not know ${what}`);
    this.name = 'Unknown';
  }
}
