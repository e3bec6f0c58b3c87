import { type RefObject, type UIEvent, useLayoutEffect, useState } from "react";

export interface RowsInSight {
  /** The first row that is drawn, and the one behind the last. */
  first: number;
  last: number;
  /** For each element the row that it draws; elements whose row is `last` or later stay empty. */
  rowOf: number[];
  /** The width of the rows, without the scroll bar; undefined before the first layout. */
  width: number | undefined;
  onScroll: (event: UIEvent<HTMLElement>) => void;
}

/**
 * Which of `count` rows of one height are in sight of a scrolling element. Elements whose rows leave the sight are used
 * again for those that come, and none is moved within the document.
 */
export function useRowsInSight(
  scroller: RefObject<HTMLElement | null>,
  { count, height, more }: { count: number; height: number; more: number },
): RowsInSight {
  const [top, setTop] = useState(0);
  const [size, setSize] = useState<{ height: number; width?: number }>({ height: 600 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const measure = (): void => {
      const { clientHeight, clientWidth } = element;
      setSize((before) =>
        before.height === clientHeight && before.width === clientWidth ? before : { height: clientHeight, width: clientWidth },
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller]);
  const first = Math.max(0, Math.min(Math.floor(top / height) - more, count - 1));
  const last = Math.min(count, Math.ceil((top + size.height) / height) + more);
  const slots = Math.ceil(size.height / height) + 2 * more + 1;
  const rowOf = Array.from({ length: slots }, (_, slot) => first + ((slots + slot - (first % slots)) % slots));
  return { first, last, rowOf, width: size.width, onScroll: (event) => setTop(event.currentTarget.scrollTop) };
}

/** Scroll a row into view. */
export function revealRow(scroller: HTMLElement | null, index: number, height: number): void {
  if (scroller === null) return;
  const y = index * height;
  if (y < scroller.scrollTop) scroller.scrollTop = y;
  else if (y + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = y + height - scroller.clientHeight;
}
