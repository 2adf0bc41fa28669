"""scikit-learn's own checks on the tabular detector."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from blemish import DefectDetector

WORDS = "predict gives words, as the contract says; the check subtracts predictions as if they were numbers"
CLASSES = "the check gives class numbers 0, 1, 2, … as y; integers but {0, 1} are refused as a colliding dialect"
OF_WORDS = (
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
)
OF_CLASSES = (
    "check_complex_data",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_predict1d",
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
)
SETTINGS = {"modality": "tabular", "epochs": 1, "latent_dim": 2, "batch_size": 64, "random_state": 0}


class Unlabelled(DefectDetector):
    """The same, deaf to the checks' labels: they are class numbers, which Blemish refuses as a colliding dialect."""

    def fit(self, X, y=None, *, groups=None, regions=None):
        return super().fit(X)


def expected(estimator):
    """Why a check cannot pass; the second estimator passes those that only the labels break."""
    labels = {} if isinstance(estimator, Unlabelled) else dict.fromkeys(OF_CLASSES, CLASSES)
    return {**dict.fromkeys(OF_WORDS, WORDS), **labels}


@pytest.mark.usefixtures("few_trees")
@parametrize_with_checks([DefectDetector(**SETTINGS), Unlabelled(**SETTINGS)], expected_failed_checks=expected)
@pytest.mark.filterwarnings("ignore::blemish.core.errors.QualityWarning", "ignore::blemish.core.errors.DataWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)
