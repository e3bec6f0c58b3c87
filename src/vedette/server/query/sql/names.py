"""Which tables and functions a statement may name.

Tables and views are filtered by the engine itself, however a statement reaches them. Table functions that open other
tables (``merge``, ``remote``, ``loop`` …) are not: for these the lists are what keeps tenants apart. Beyond that they
keep statements away from what is no tenant's data: the server's files, network, running queries, configuration.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DATABASE", "TABLE_FUNCTIONS", "VIEWS", "is_denied_function"]

DATABASE: Final = "vedette_sql"

VIEWS: Final = frozenset(
    {
        "attribute_keys",
        "attribute_values",
        "exemplars",
        "histograms",
        "histograms_1h",
        "histograms_5m",
        "ledger",
        "logs",
        "metadata",
        "operations",
        "red_minute",
        "samples",
        "samples_1h",
        "samples_5m",
        "series",
        "service_edges",
        "spans",
        "traces",
        "usage_hour",
    }
)
"""The views of `DATABASE`."""

TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "values", "null"}
)
"""Table functions that make rows out of nothing, in lower case."""

# By what they reach: files and dictionaries; the network; other tables; the server's configuration and identity; the
# requests and queries of others; time that somebody waits for; the process itself.
_DENIED: Final = frozenset(
    """
    file filesystemavailable filesystemcapacity filesystemunreserved joinget joingetornull hascolumnintable
    evalmlmethod catboostevaluate modelevaluate naivebayesclassifier naivebayesclassifierwithprob
    naivebayesclassifierwithallprobs regionin regiontoname
    hostname fullhostname fqdn displayname getmacro getsetting getsettingordefault getserversetting
    getmergetreesetting getserverport tcpport serveruuid uptime version buildid getoskernelversion revision
    showcertificate globalvariable zookeepersessionuptime shardnum shardcount getmaxtablenamelengthfordatabase
    user currentuser current_user session_user authuser authenticateduser currentprofiles currentroles defaultprofiles
    defaultroles enabledprofiles enabledroles pg_get_userbyid pg_table_is_visible pggetuserbyid pgtableisvisible
    getclienthttpheader currentrequesturl connectionid connection_id queryid query_id currentqueryid current_query_id
    initialqueryid initial_query_id initialquerystarttime initial_query_start_time
    transactionid transactionlatestsnapshot transactionoldestsnapshot
    sleep sleepeachrow logtrace trap hasthreadfuzzer addresstoline addresstolinewithinlines addresstosymbol demangle
    ismergetreepartcoveredby mergetreepartinfo
    in notin globalin globalnotin nullin notnullin globalnullin globalnotnullin inignoreset notinignoreset
    globalinignoreset globalnotinignoreset nullinignoreset notnullinignoreset globalnullinignoreset
    globalnotnullinignoreset
    arrowstream azureblobstorage bigquery cluster clusterallreplicas cosn dictionary eval executable filecluster
    filesystem fuzzquery fuzzjson gcs hdfs hudi iceberg input jdbc loop merge mongodb mysql odbc oss postgresql python
    redis remote remotesecure sqlite timeseriesdata timeseriesmetricfamilies timeseriesmetrics timeseriessamples
    timeseriesselector timeseriestags url urlcluster viewexplain viewifpermitted ytsaurus
    """.split()  # noqa: SIM905 - words in lines read better than a list of strings
)
_DENIED_PREFIXES: Final = (
    *("dictget", "dicthas", "dictisin", "regionto"),
    *("aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact", "aisimilarity", "aitranslate"),
    *("azureblobstorage", "deltalake", "hdfs", "hudi", "iceberg", "mergetree", "paimon", "prometheusquery", "s3"),
)


def is_denied_function(name: str) -> bool:
    """Whether a statement may not call this function or table function, in whatever case it is written."""
    lowered = name.lower()
    return lowered in _DENIED or lowered.startswith(_DENIED_PREFIXES)
