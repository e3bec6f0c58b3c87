import { flag, type RawSearch, text, texts } from "../../state/search";

export interface MapSearch {
  /** A service's name or a part of names: these are shown with their neighbours. */
  find?: string;
  /** Groups that are shown as their services. */
  open?: string[];
  /** Every service by itself, also where groups would be clearer. */
  whole?: true;
}

export function validateMapSearch(raw: RawSearch): MapSearch {
  return { find: text(raw, "find"), open: texts(raw, "open"), whole: flag(raw, "whole") };
}
