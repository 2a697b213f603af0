/** A promise and the two functions that settle it. `Promise.withResolvers` is younger than the browsers that have Web Serial. */
export interface Settleable<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

export function settleable<T>(): Settleable<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
