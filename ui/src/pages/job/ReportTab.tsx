/** The report of an evaluation. */

import type { ReactNode } from "react";

import { Report } from "../../features/report/Report";
import { useOpenedJob } from "./JobPage";

export function Component(): ReactNode {
  return <Report view={useOpenedJob()} />;
}
