"""A job as careless as a job can be: it shows all that it holds of a store, and then breaks."""

import sys
import traceback

import dagster as dg

from resources.store import ObjectStoreResource

JOB = "careless"


class Carelessness(dg.Config):
    """`asks` breaks within a request to the store, instead of beside it."""

    asks: bool = False


def careless_job() -> dg.JobDefinition:
    """The job; it needs the resource `store`."""

    @dg.op(name="show_everything", out=dg.Out(dg.Nothing))
    def show_everything(
        context: dg.OpExecutionContext, config: Carelessness, store: ObjectStoreResource
    ) -> None:
        opened = store.open()
        account = vars(opened)["_account"]
        shown = [f"{one!r} {one} {vars(one)}" for one in (store, opened, account)]
        sys.stdout.write(f"{shown}\n")
        context.log.info(shown)
        context.log.info(str(store.get_resource_context().resource_config))
        context.add_output_metadata({"shown": shown, "model": store.model_dump_json()})
        try:
            if config.asks:
                opened.head("nothing")
        except Exception as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            context.log.exception("".join(told.format()))
            raise RuntimeError(
                f"{error!r} {error} {vars(error)} {vars(error.__cause__)}"
            ) from error
        raise RuntimeError(f"broken, with {shown}")

    @dg.job(name=JOB)
    def careless() -> None:
        show_everything()

    return careless
