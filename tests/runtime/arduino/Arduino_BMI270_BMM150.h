#include "imu_thin.h"
