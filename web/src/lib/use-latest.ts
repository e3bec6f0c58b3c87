import { type RefObject, useLayoutEffect, useRef } from "react";

/** A reference that holds the value of the latest render: for handlers that outlive the render they were made in. */
export function useLatest<T>(value: T): RefObject<T> {
  const reference = useRef(value);
  useLayoutEffect(() => {
    reference.current = value;
  });
  return reference;
}
